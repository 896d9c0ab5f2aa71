##! Partial records: what is known so far of connections that stay alive.
##!
##! A command channel or a tunnel may last for days, and conn.log has it only at
##! its end. Such a connection is exported every *partial_interval*, flagged.
##!
##! This costs little for the many short ones: Zeek's core counts packets anyway, and
##! only a connection's 16th packet raises an event. Most are over soon after it, so
##! it only notes the connection. To be told of the duration, which costs Zeek more
##! than anything else here, is asked for what is still alive a little later.

@load base/protocols/conn/thresholds
@load ./export
@load ./summaries

module Metatap;

# How many packets a connection has before its duration is watched. Any less and
# it is over soon, by Zeek's inactivity timeout.
const watch_after_packets = 16;

redef ConnThreshold::generic_packet_thresholds += { watch_after_packets };

redef record connection += {
	# The duration at which a partial record is due.
	metatap_due: interval &optional;
};

# How long noted connections wait, and how many may.
const note_interval = 10sec;
const notes_max = 1024;

# Connections that had their 16th packet lately, and how old they were then.
global noted: vector of conn_id;
global noted_uids: vector of string;
global noted_ages: vector of interval;

# Looks which of them are still alive.
global look: event();

# Asks to be told of the next multiple of the interval: connections are reported at
# the same ages wherever the first one falls.
function watch(c: connection, age: interval)
	{
	c$metatap_due = partial_interval * (floor(age / partial_interval) + 1);
	ConnThreshold::set_duration_threshold(c, c$metatap_due);
	}

function watch_noted()
	{
	for ( i, id in noted )
		{
		if ( ! connection_exists(id) )
			next;

		local c = lookup_connection(id);

		# Another one may have the same addresses and ports by now.
		if ( c$uid == noted_uids[i] )
			watch(c, noted_ages[i]);
		}

	noted = vector();
	noted_uids = vector();
	noted_ages = vector();
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
	if ( threshold != watch_after_packets || partial_interval == 0sec || ! exports )
		return;

	noted += c$id;
	noted_uids += c$uid;
	noted_ages += c$duration;

	if ( |noted| >= notes_max )
		watch_noted();
	}

event Metatap::look()
	{
	# At its end Zeek lets all timers fire.
	if ( zeek_is_terminating() )
		return;

	schedule note_interval { Metatap::look() };

	if ( partial_interval > 0sec )
		watch_noted();
	}

event zeek_init()
	{
	if ( exports )
		schedule note_interval { Metatap::look() };
	}

event ConnThreshold::duration_threshold_crossed(c: connection, threshold: interval,
                                                is_orig: bool)
	{
	# A site may watch durations of its own.
	if ( ! c?$metatap_due || threshold != c$metatap_due )
		return;

	if ( partial_interval == 0sec )
		return;

	watch(c, c$duration);

	local rec = record_so_far(c);

	if ( hook Metatap::filter(rec) )
		{
		++counters$partials;
		add_rows(vector(rec));
		}
	}
