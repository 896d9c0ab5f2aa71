##! From connections and summaries to columns.
##!
##! A batch is a set of columns that rows are added to. Flag bits are given out in
##! the order of the contract's columns: an optional value that is no text has one
##! for "is there", a boolean one for its value.

@load ./summaries
@load ./wire

module Metatap;

const CONN_HAS_TS = 1;
const CONN_HAS_DURATION = 2;
const CONN_HAS_ORIG_BYTES = 4;
const CONN_HAS_RESP_BYTES = 8;
const CONN_HAS_MISSED_BYTES = 16;
const CONN_HAS_ORIG_PKTS = 32;
const CONN_HAS_ORIG_IP_BYTES = 64;
const CONN_HAS_RESP_PKTS = 128;
const CONN_HAS_RESP_IP_BYTES = 256;
const CONN_HAS_LOCAL_ORIG = 512;
const CONN_LOCAL_ORIG = 1024;
const CONN_HAS_LOCAL_RESP = 2048;
const CONN_LOCAL_RESP = 4096;
const CONN_PARTIAL = 8192;

# All values there that a site's settings do not decide about.
const CONN_HAS_ALL = 511;

const DNS_HAS_QTYPE = 1;

const HTTP_HAS_STATUS_CODE = 1;

const SSL_RESUMED = 1;
const SSL_ESTABLISHED = 2;
const SSL_HAS_CERTS = 4;

const SSH_HAS_VERSION = 1;
const SSH_HAS_AUTH_SUCCESS = 2;
const SSH_AUTH_SUCCESS = 4;
const SSH_HAS_AUTH_ATTEMPTS = 8;

# The columns of a batch that is being filled. The texts of a column are joined
# when it is sent: joining them one by one would copy each many times.
type Batch: record {
	conn:           ConnColumns      &default=ConnColumns();
	uid:            vector of string &default=vector();
	service:        vector of string &default=vector();
	conn_state:     vector of string &default=vector();
	history:        vector of string &default=vector();

	dns:            DNSColumns       &default=DNSColumns();
	query:          vector of string &default=vector();

	http:           HTTPColumns      &default=HTTPColumns();
	method:         vector of string &default=vector();
	host:           vector of string &default=vector();
	uri:            vector of string &default=vector();
	user_agent:     vector of string &default=vector();

	ssl:            SSLColumns       &default=SSLColumns();
	version:        vector of string &default=vector();
	cipher:         vector of string &default=vector();
	server_name:    vector of string &default=vector();
	next_protocol:  vector of string &default=vector();

	ssh:            SSHColumns       &default=SSHColumns();
	client:         vector of string &default=vector();
	server:         vector of string &default=vector();
};

# Adds a text to a column of texts. An absent one is an empty one.
function put(texts: vector of string, lengths: vector of count, text: string)
	{
	local t = |text| > string_max ? text[:string_max] : text;
	texts += t;
	lengths += |t|;
	}

function add_dns(b: Batch, row: count, s: DNSSummary)
	{
	local c = b$dns;

	c$row += row;
	c$queries += s$queries;
	c$query_bytes += s$query_bytes;
	put(b$query, c$query_len, s?$query ? s$query : "");
	c$qtype += s?$qtype ? s$qtype : 0;
	c$rare_qtypes += s$rare_qtypes;
	c$nxdomain += s$nxdomain;
	c$answers += s$answers;
	c$answer_bytes += s$answer_bytes;
	c$flags += s?$qtype ? DNS_HAS_QTYPE : 0;
	}

function add_http(b: Batch, row: count, s: HTTPSummary)
	{
	local c = b$http;

	c$row += row;
	c$requests += s$requests;
	put(b$method, c$method_len, s?$method ? s$method : "");
	put(b$host, c$host_len, s?$host ? s$host : "");
	put(b$uri, c$uri_len, s?$uri ? s$uri : "");
	put(b$user_agent, c$user_agent_len, s?$user_agent ? s$user_agent : "");
	c$status_code += s?$status_code ? s$status_code : 0;
	c$errors += s$errors;
	c$writes += s$writes;
	c$uri_bytes += s$uri_bytes;
	c$request_body_len += s$request_body_len;
	c$response_body_len += s$response_body_len;
	c$flags += s?$status_code ? HTTP_HAS_STATUS_CODE : 0;
	}

function add_ssl(b: Batch, row: count, s: SSLSummary)
	{
	local c = b$ssl;

	c$row += row;
	put(b$version, c$version_len, s?$version ? s$version : "");
	put(b$cipher, c$cipher_len, s?$cipher ? s$cipher : "");
	put(b$server_name, c$server_name_len, s?$server_name ? s$server_name : "");
	put(b$next_protocol, c$next_protocol_len, s?$next_protocol ? s$next_protocol : "");
	c$certs += s?$certs ? s$certs : 0;
	c$flags += (s$resumed ? SSL_RESUMED : 0) | (s$established ? SSL_ESTABLISHED : 0)
	           | (s?$certs ? SSL_HAS_CERTS : 0);
	}

function add_ssh(b: Batch, row: count, s: SSHSummary)
	{
	local c = b$ssh;
	local f = s?$version ? SSH_HAS_VERSION : 0;

	if ( s?$auth_success )
		f = f | SSH_HAS_AUTH_SUCCESS | (s$auth_success ? SSH_AUTH_SUCCESS : 0);

	c$row += row;
	c$version += s?$version ? s$version : 0;
	c$auth_attempts += s?$auth_attempts ? s$auth_attempts : 0;
	put(b$client, c$client_len, s?$client ? s$client : "");
	put(b$server, c$server_len, s?$server ? s$server : "");
	c$flags += s?$auth_attempts ? f | SSH_HAS_AUTH_ATTEMPTS : f;
	}

# Adds a connection. This runs for each one: it is spelled out, and calls little.
function add_conn(b: Batch, r: Conn::Info)
	{
	local c = b$conn;
	local id = r$id;

	# Most have all values: clear the bits of those that have not.
	local f = CONN_HAS_ALL;

	c$ts += r$ts;
	b$uid += r$uid;
	c$uid_len += |r$uid|;
	c$orig_h += id$orig_h;
	c$orig_p += id$orig_p;
	c$resp_h += id$resp_h;
	c$resp_p += id$resp_p;
	c$missed_bytes += r$missed_bytes;

	if ( r?$service )
		put(b$service, c$service_len, r$service);
	else
		c$service_len += 0;

	if ( r?$conn_state )
		{
		b$conn_state += r$conn_state;
		c$conn_state_len += |r$conn_state|;
		}
	else
		c$conn_state_len += 0;

	if ( r?$history )
		put(b$history, c$history_len, r$history);
	else
		c$history_len += 0;

	if ( r?$duration )
		c$duration += r$duration;
	else
		{
		c$duration += 0sec;
		f -= CONN_HAS_DURATION;
		}

	if ( r?$orig_bytes )
		c$orig_bytes += r$orig_bytes;
	else
		{
		c$orig_bytes += 0;
		f -= CONN_HAS_ORIG_BYTES;
		}

	if ( r?$resp_bytes )
		c$resp_bytes += r$resp_bytes;
	else
		{
		c$resp_bytes += 0;
		f -= CONN_HAS_RESP_BYTES;
		}

	if ( r?$orig_pkts )
		c$orig_pkts += r$orig_pkts;
	else
		{
		c$orig_pkts += 0;
		f -= CONN_HAS_ORIG_PKTS;
		}

	if ( r?$orig_ip_bytes )
		c$orig_ip_bytes += r$orig_ip_bytes;
	else
		{
		c$orig_ip_bytes += 0;
		f -= CONN_HAS_ORIG_IP_BYTES;
		}

	if ( r?$resp_pkts )
		c$resp_pkts += r$resp_pkts;
	else
		{
		c$resp_pkts += 0;
		f -= CONN_HAS_RESP_PKTS;
		}

	if ( r?$resp_ip_bytes )
		c$resp_ip_bytes += r$resp_ip_bytes;
	else
		{
		c$resp_ip_bytes += 0;
		f -= CONN_HAS_RESP_IP_BYTES;
		}

	if ( r?$local_orig )
		f += r$local_orig ? CONN_HAS_LOCAL_ORIG + CONN_LOCAL_ORIG : CONN_HAS_LOCAL_ORIG;

	if ( r?$local_resp )
		f += r$local_resp ? CONN_HAS_LOCAL_RESP + CONN_LOCAL_RESP : CONN_HAS_LOCAL_RESP;

	if ( r?$metatap_partial )
		f += CONN_PARTIAL;

	c$flags += f;
	}

# Adds what the other logs said about the connection that was added last.
function add_summary(b: Batch, s: Summary)
	{
	local row = |b$uid| - 1;

	if ( s?$dns )
		add_dns(b, row, s$dns);

	if ( s?$http )
		add_http(b, row, s$http);

	if ( s?$ssl )
		add_ssl(b, row, s$ssl);

	if ( s?$ssh )
		add_ssh(b, row, s$ssh);
	}

# Joins the texts: the batch is complete.
function join_texts(b: Batch)
	{
	b$conn$uid = join_string_vec(b$uid, "");
	b$conn$service = join_string_vec(b$service, "");
	b$conn$conn_state = join_string_vec(b$conn_state, "");
	b$conn$history = join_string_vec(b$history, "");
	b$dns$query = join_string_vec(b$query, "");
	b$http$method = join_string_vec(b$method, "");
	b$http$host = join_string_vec(b$host, "");
	b$http$uri = join_string_vec(b$uri, "");
	b$http$user_agent = join_string_vec(b$user_agent, "");
	b$ssl$version = join_string_vec(b$version, "");
	b$ssl$cipher = join_string_vec(b$cipher, "");
	b$ssl$server_name = join_string_vec(b$server_name, "");
	b$ssl$next_protocol = join_string_vec(b$next_protocol, "");
	b$ssh$client = join_string_vec(b$client, "");
	b$ssh$server = join_string_vec(b$server, "");
	}
