##! What the DNS, HTTP, TLS and SSH logs say about a connection, kept by its uid
##! until the connection itself is exported.
##!
##! The lines of a connection's end are logged by removal hooks, so their events
##! come after :zeek:see:`connection_state_remove`: the log events are the one
##! place that sees them all.

@load base/protocols/dns
@load base/protocols/http
@load base/protocols/ssh
@load base/protocols/ssl
@load ./main

module Metatap;

export {
	## The dns.log lines of one connection.
	type DNSSummary: record {
		queries:      count  &default=0;
		query_bytes:  count  &default=0;
		## The longest name asked for.
		query:        string &optional;
		## The type it was asked for.
		qtype:        count  &optional;
		rare_qtypes:  count  &default=0;
		nxdomain:     count  &default=0;
		answers:      count  &default=0;
		answer_bytes: count  &default=0;
	};

	## The http.log lines of one connection.
	type HTTPSummary: record {
		requests:          count  &default=0;
		## The first of each is kept.
		method:            string &optional;
		host:              string &optional;
		uri:               string &optional;
		user_agent:        string &optional;
		## The last one is kept.
		status_code:       count  &optional;
		errors:            count  &default=0;
		writes:            count  &default=0;
		uri_bytes:         count  &default=0;
		request_body_len:  count  &default=0;
		response_body_len: count  &default=0;
	};

	## The ssl.log line of one connection.
	type SSLSummary: record {
		version:       string &optional;
		cipher:        string &optional;
		server_name:   string &optional;
		next_protocol: string &optional;
		resumed:       bool;
		established:   bool;
		certs:         count  &optional;
	};

	## The ssh.log line of one connection.
	type SSHSummary: record {
		version:       count  &optional;
		auth_success:  bool   &optional;
		auth_attempts: count  &optional;
		client:        string &optional;
		server:        string &optional;
	};

	## All of them.
	type Summary: record {
		id:    conn_id;
		dns:   DNSSummary  &optional;
		http:  HTTPSummary &optional;
		ssl:   SSLSummary  &optional;
		ssh:   SSHSummary  &optional;
		## Set once Zeek no longer knows the connection.
		ended: bool        &optional;
	};
}

redef record Conn::Info += {
	## What the other logs said about the connection. Not logged.
	metatap_summary: Metatap::Summary &optional;
	## Set in a partial record: the connection is still alive. Not logged.
	metatap_partial: bool &optional;
};

# DNS query types that are nothing special: A, PTR, AAAA, HTTPS.
const common_qtypes: set[count] = { 1, 12, 28, 65 };

# HTTP methods that only read (RFC 9110, section 9.2.1).
const reading_methods: set[string] = { "GET", "HEAD", "OPTIONS" };

const NXDOMAIN = 3;

function expire_summary(t: table[string] of Summary, uid: string): interval
	{
	local s = t[uid];

	# A line logged early in a long connection waits as long as it lives.
	if ( connection_exists(s$id) )
		return summary_timeout;

	# One that just ended may not have been taken in yet: that is at most a flush
	# interval later.
	if ( ! s?$ended )
		{
		s$ended = T;
		return summary_timeout + flush_interval;
		}

	++counters$orphans;
	return 0sec;
	}

global summaries: table[string] of Summary = table()
	&create_expire=summary_timeout &expire_func=expire_summary;

event DNS::log_dns(rec: DNS::Info)
	{
	if ( rec$uid !in summaries )
		summaries[rec$uid] = Summary($id=rec$id);

	local s = summaries[rec$uid];

	if ( ! s?$dns )
		s$dns = DNSSummary();

	local d = s$dns;
	++d$queries;

	if ( rec?$query )
		{
		d$query_bytes += |rec$query|;

		if ( ! d?$query || |rec$query| > |d$query| )
			{
			d$query = rec$query;

			if ( rec?$qtype )
				d$qtype = rec$qtype;
			else
				delete d$qtype;
			}
		}

	if ( rec?$qtype && rec$qtype !in common_qtypes )
		++d$rare_qtypes;

	if ( rec?$rcode && rec$rcode == NXDOMAIN )
		++d$nxdomain;

	if ( rec?$answers )
		{
		d$answers += |rec$answers|;

		for ( _, answer in rec$answers )
			d$answer_bytes += |answer|;
		}
	}

event HTTP::log_http(rec: HTTP::Info)
	{
	if ( rec$uid !in summaries )
		summaries[rec$uid] = Summary($id=rec$id);

	local s = summaries[rec$uid];

	if ( ! s?$http )
		s$http = HTTPSummary();

	local h = s$http;
	++h$requests;

	if ( rec?$method )
		{
		if ( ! h?$method )
			h$method = rec$method;

		if ( rec$method !in reading_methods )
			++h$writes;
		}

	if ( rec?$host && ! h?$host )
		h$host = rec$host;

	if ( rec?$uri )
		{
		h$uri_bytes += |rec$uri|;

		if ( ! h?$uri )
			h$uri = rec$uri;
		}

	if ( rec?$user_agent && ! h?$user_agent )
		h$user_agent = rec$user_agent;

	if ( rec?$status_code )
		{
		h$status_code = rec$status_code;

		if ( rec$status_code >= 400 )
			++h$errors;
		}

	h$request_body_len += rec$request_body_len;
	h$response_body_len += rec$response_body_len;
	}

event SSL::log_ssl(rec: SSL::Info)
	{
	local l = SSLSummary($resumed=rec$resumed, $established=rec$established);

	if ( rec?$version )
		l$version = rec$version;
	if ( rec?$cipher )
		l$cipher = rec$cipher;
	if ( rec?$server_name )
		l$server_name = rec$server_name;
	if ( rec?$next_protocol )
		l$next_protocol = rec$next_protocol;
	if ( rec?$cert_chain_fps )
		l$certs = |rec$cert_chain_fps|;

	if ( rec$uid !in summaries )
		summaries[rec$uid] = Summary($id=rec$id);

	summaries[rec$uid]$ssl = l;
	}

event SSH::log_ssh(rec: SSH::Info)
	{
	local h = SSHSummary($auth_attempts=rec$auth_attempts);

	if ( rec?$version )
		h$version = rec$version;
	if ( rec?$auth_success )
		h$auth_success = rec$auth_success;
	if ( rec?$client )
		h$client = rec$client;
	if ( rec?$server )
		h$server = rec$server;

	if ( rec$uid !in summaries )
		summaries[rec$uid] = Summary($id=rec$id);

	summaries[rec$uid]$ssh = h;
	}
