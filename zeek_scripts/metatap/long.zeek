##! Partial records: what is known so far of connections that stay alive.
##!
##! A command channel or a tunnel may last for days, and conn.log has it only at
##! its end. Such a connection is exported every *partial_interval*, flagged.
##!
##! This costs nothing for the many short ones: Zeek's core counts packets anyway,
##! and only a connection's 16th packet raises an event, which sets the duration
##! to be told of.

@load base/protocols/conn/thresholds
@load ./export

module Metatap;

# How many packets a connection has before its duration is watched. Any less and
# it is over soon, by Zeek's inactivity timeout.
const watch_after_packets = 16;

redef ConnThreshold::generic_packet_thresholds += { watch_after_packets };

redef record connection += {
	# The duration at which a partial record is due.
	metatap_due: interval &optional;
};

# The next multiple of the interval: connections are reported at the same ages
# wherever the first one falls.
function watch(c: connection)
	{
	local age = c$duration / partial_interval;

	c$metatap_due = partial_interval * (floor(age) + 1);
	ConnThreshold::set_duration_threshold(c, c$metatap_due);
	}

# conn_state for the states that a living connection is usually in; the others
# say how it ended.
function living_state(c: connection): string
	{
	local os = c$orig$state;
	local rs = c$resp$state;

	switch ( get_port_transport_proto(c$id$resp_p) )
		{
		case tcp:
			if ( os == TCP_ESTABLISHED && rs == TCP_ESTABLISHED )
				return "S1";
			if ( os == TCP_CLOSED && rs == TCP_ESTABLISHED )
				return "S2";
			if ( os == TCP_ESTABLISHED && rs == TCP_CLOSED )
				return "S3";
			if ( os == TCP_SYN_SENT && rs == TCP_INACTIVE )
				return "S0";
			break;

		case udp:
			if ( os == UDP_ACTIVE )
				return rs == UDP_ACTIVE ? "SF" : "S0";
			if ( rs == UDP_ACTIVE )
				return "SHR";
			break;
		}

	return "";
	}

# The connection as it would be logged now.
function record_so_far(c: connection): Conn::Info
	{
	local rec: Conn::Info = copy(c$conn);

	if ( c$duration > 0sec )
		{
		rec$duration = c$duration;
		rec$orig_bytes = c$orig$size;
		rec$resp_bytes = c$resp$size;
		}

	if ( c$orig?$num_pkts )
		{
		rec$orig_pkts = c$orig$num_pkts;
		rec$orig_ip_bytes = c$orig$num_bytes_ip;
		rec$resp_pkts = c$resp$num_pkts;
		rec$resp_ip_bytes = c$resp$num_bytes_ip;
		}

	if ( |c$service| > 0 )
		rec$service = to_lower(join_string_set(c$service, ","));

	if ( c$history != "" )
		rec$history = c$history;

	local state = living_state(c);

	if ( state != "" )
		rec$conn_state = state;

	rec$metatap_partial = T;

	# A copy: it goes on growing.
	if ( c$uid in summaries )
		rec$metatap_summary = copy(summaries[c$uid]);

	return rec;
	}

event conn_generic_packet_threshold_crossed(c: connection, threshold: count)
	{
	if ( threshold == watch_after_packets && partial_interval > 0sec && exports )
		watch(c);
	}

event ConnThreshold::duration_threshold_crossed(c: connection, threshold: interval,
                                                is_orig: bool)
	{
	# A site may watch durations of its own.
	if ( ! c?$metatap_due || threshold != c$metatap_due )
		return;

	if ( partial_interval == 0sec )
		return;

	watch(c);

	local rec = record_so_far(c);

	if ( hook Metatap::filter(rec) )
		{
		++counters$partials;
		add_row(rec);
		}
	}
