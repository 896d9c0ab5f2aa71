##! From summaries of DNS, HTTP, TLS and SSH to columns.

@load ./batch
@load ./summaries

module Metatap;

# Adds a text to a column of texts. An absent one is an empty one. Spelled out
# where nearly all connections come by.
function put(texts: vector of string, lengths: vector of count, text: string)
	{
	local t = |text| > string_max ? text[:string_max] : text;
	texts += t;
	lengths += |t|;
	}

function add_dns(b: Batch, row: count, s: DNSSummary)
	{
	local c = b$dns;
	local query = s?$query ? s$query : "";

	if ( |query| > string_max )
		query = query[:string_max];

	c$row += row;
	c$queries += s$queries;
	c$query_bytes += s$query_bytes;
	b$query += query;
	c$query_len += |query|;
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
