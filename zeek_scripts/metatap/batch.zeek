##! A batch: the columns that connections are added to.
##!
##! Flag bits are given out in the order of the contract's columns: an optional value
##! that is no text has one for "is there", a boolean one for its value.

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
