##! From connections to columns.

@load ./batch
@load ./protocols
@load ./summaries

module Metatap;

# Which of the values are there.
function some_flags(r: Conn::Info): count
	{
	return CONN_HAS_TS + CONN_HAS_MISSED_BYTES
	       + (r?$duration ? CONN_HAS_DURATION : 0)
	       + (r?$orig_bytes ? CONN_HAS_ORIG_BYTES : 0)
	       + (r?$resp_bytes ? CONN_HAS_RESP_BYTES : 0)
	       + (r?$orig_pkts ? CONN_HAS_ORIG_PKTS : 0)
	       + (r?$orig_ip_bytes ? CONN_HAS_ORIG_IP_BYTES : 0)
	       + (r?$resp_pkts ? CONN_HAS_RESP_PKTS : 0)
	       + (r?$resp_ip_bytes ? CONN_HAS_RESP_IP_BYTES : 0);
	}

# Adds connections. Each statement in the loop costs every connection: calls are
# spelled out, and the columns are looked up once for all.
function add_conns(b: Batch, recs: vector of Conn::Info)
	{
	local c = b$conn;
	local ts = c$ts;
	local uid = b$uid;
	local uid_len = c$uid_len;
	local orig_h = c$orig_h;
	local orig_p = c$orig_p;
	local resp_h = c$resp_h;
	local resp_p = c$resp_p;
	local service = b$service;
	local service_len = c$service_len;
	local duration = c$duration;
	local orig_bytes = c$orig_bytes;
	local resp_bytes = c$resp_bytes;
	local conn_state = b$conn_state;
	local conn_state_len = c$conn_state_len;
	local history = b$history;
	local history_len = c$history_len;
	local missed_bytes = c$missed_bytes;
	local orig_pkts = c$orig_pkts;
	local orig_ip_bytes = c$orig_ip_bytes;
	local resp_pkts = c$resp_pkts;
	local resp_ip_bytes = c$resp_ip_bytes;
	local flags = c$flags;
	local f: count;
	local id: conn_id;
	local t: string;

	for ( _, r in recs )
		{
		id = r$id;
		ts += r$ts;
		t = r$uid;
		uid += t;
		uid_len += |t|;
		orig_h += id$orig_h;
		orig_p += id$orig_p;
		resp_h += id$resp_h;
		resp_p += id$resp_p;
		missed_bytes += r$missed_bytes;

		if ( r?$service )
			{
			t = r$service;

			if ( |t| > string_max )
				t = t[:string_max];

			service += t;
			service_len += |t|;
			}
		else
			service_len += 0;

		if ( r?$conn_state )
			{
			t = r$conn_state;
			conn_state += t;
			conn_state_len += |t|;
			}
		else
			conn_state_len += 0;

		if ( r?$history )
			{
			t = r$history;

			if ( |t| > string_max )
				t = t[:string_max];

			history += t;
			history_len += |t|;
			}
		else
			history_len += 0;

		if ( r?$duration && r?$orig_bytes && r?$resp_bytes && r?$orig_pkts && r?$orig_ip_bytes
		     && r?$resp_pkts && r?$resp_ip_bytes )
			{
			duration += r$duration;
			orig_bytes += r$orig_bytes;
			resp_bytes += r$resp_bytes;
			orig_pkts += r$orig_pkts;
			orig_ip_bytes += r$orig_ip_bytes;
			resp_pkts += r$resp_pkts;
			resp_ip_bytes += r$resp_ip_bytes;
			f = CONN_HAS_ALL;
			}
		else
			{
			duration += r?$duration ? r$duration : 0sec;
			orig_bytes += r?$orig_bytes ? r$orig_bytes : 0;
			resp_bytes += r?$resp_bytes ? r$resp_bytes : 0;
			orig_pkts += r?$orig_pkts ? r$orig_pkts : 0;
			orig_ip_bytes += r?$orig_ip_bytes ? r$orig_ip_bytes : 0;
			resp_pkts += r?$resp_pkts ? r$resp_pkts : 0;
			resp_ip_bytes += r?$resp_ip_bytes ? r$resp_ip_bytes : 0;
			f = some_flags(r);
			}

		if ( r?$local_orig )
			f += r$local_orig ? CONN_HAS_LOCAL_ORIG + CONN_LOCAL_ORIG : CONN_HAS_LOCAL_ORIG;

		if ( r?$local_resp )
			f += r$local_resp ? CONN_HAS_LOCAL_RESP + CONN_LOCAL_RESP : CONN_HAS_LOCAL_RESP;

		if ( r?$metatap_partial )
			f += CONN_PARTIAL;

		flags += f;

		if ( r?$metatap_summary )
			add_summary(b, r$metatap_summary);
		}
	}
