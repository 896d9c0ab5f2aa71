##! The two events that are published, and the records in them.
##!
##! A batch is a record of column vectors for each log, in the order of the
##! contract. The texts of a column are joined in one string, beside it is each
##! one's length in bytes. *flags* says which optional values are there and
##! holds the booleans; the bits are in :doc:`batch.zeek`.

@load ./main

module Metatap;

export {
	## Heads a batch.
	type Header: record {
		## Version of the contract.
		version: count;
		## Name of the sending node.
		node: string;
		## Made anew at each start of Zeek.
		boot: string;
		## Shard of all flows in this batch.
		shard: count;
		## Number of this batch, from 0, counted per node, boot and shard.
		batch: count;
		## Flows sent before this batch, counted likewise.
		flows_before: count;
		## Flows in this batch.
		rows: count;
	};

	## conn: one element per flow in each vector. The protocol is in *resp_p*.
	type ConnColumns: record {
		ts:             vector of time     &default=vector();
		uid:            string             &default="";
		uid_len:        vector of count    &default=vector();
		orig_h:         vector of addr     &default=vector();
		orig_p:         vector of port     &default=vector();
		resp_h:         vector of addr     &default=vector();
		resp_p:         vector of port     &default=vector();
		service:        string             &default="";
		service_len:    vector of count    &default=vector();
		duration:       vector of interval &default=vector();
		orig_bytes:     vector of count    &default=vector();
		resp_bytes:     vector of count    &default=vector();
		conn_state:     string             &default="";
		conn_state_len: vector of count    &default=vector();
		history:        string             &default="";
		history_len:    vector of count    &default=vector();
		missed_bytes:   vector of count    &default=vector();
		orig_pkts:      vector of count    &default=vector();
		orig_ip_bytes:  vector of count    &default=vector();
		resp_pkts:      vector of count    &default=vector();
		resp_ip_bytes:  vector of count    &default=vector();
		flags:          vector of count    &default=vector();
	};

	## dns: one element per flow that has any, *row* is its place in conn.
	type DNSColumns: record {
		row:          vector of count    &default=vector();
		queries:      vector of count    &default=vector();
		query_bytes:  vector of count    &default=vector();
		query:        string             &default="";
		query_len:    vector of count    &default=vector();
		qtype:        vector of count    &default=vector();
		rare_qtypes:  vector of count    &default=vector();
		nxdomain:     vector of count    &default=vector();
		answers:      vector of count    &default=vector();
		answer_bytes: vector of count    &default=vector();
		flags:        vector of count    &default=vector();
	};

	## http: likewise.
	type HTTPColumns: record {
		row:               vector of count    &default=vector();
		requests:          vector of count    &default=vector();
		method:            string             &default="";
		method_len:        vector of count    &default=vector();
		host:              string             &default="";
		host_len:          vector of count    &default=vector();
		uri:               string             &default="";
		uri_len:           vector of count    &default=vector();
		user_agent:        string             &default="";
		user_agent_len:    vector of count    &default=vector();
		status_code:       vector of count    &default=vector();
		errors:            vector of count    &default=vector();
		writes:            vector of count    &default=vector();
		uri_bytes:         vector of count    &default=vector();
		request_body_len:  vector of count    &default=vector();
		response_body_len: vector of count    &default=vector();
		flags:             vector of count    &default=vector();
	};

	## ssl: likewise.
	type SSLColumns: record {
		row:               vector of count    &default=vector();
		version:           string             &default="";
		version_len:       vector of count    &default=vector();
		cipher:            string             &default="";
		cipher_len:        vector of count    &default=vector();
		server_name:       string             &default="";
		server_name_len:   vector of count    &default=vector();
		next_protocol:     string             &default="";
		next_protocol_len: vector of count    &default=vector();
		certs:             vector of count    &default=vector();
		flags:             vector of count    &default=vector();
	};

	## ssh: likewise.
	type SSHColumns: record {
		row:           vector of count    &default=vector();
		version:       vector of count    &default=vector();
		auth_attempts: vector of count    &default=vector();
		client:        string             &default="";
		client_len:    vector of count    &default=vector();
		server:        string             &default="";
		server_len:    vector of count    &default=vector();
		flags:         vector of count    &default=vector();
	};

	## A batch of flows, published on :zeek:see:`Metatap::flows_topic`.
	global flows: event(header: Header, conn: ConnColumns, dns: DNSColumns,
	                    http: HTTPColumns, ssl: SSLColumns, ssh: SSHColumns);

	## The counters, published on :zeek:see:`Metatap::hello_topic`.
	##
	## version: Version of the contract.
	##
	## node: Name of the sending node.
	##
	## boot: Made anew at each start of Zeek.
	##
	## final: This Zeek is ending, no batch follows.
	##
	## shards: The shards that *batches* and *flows* are counted for.
	##
	## batches: Batches sent so far.
	##
	## flows: Flows sent so far.
	##
	## seen: Finished connections seen so far.
	##
	## partials: Partial records of living connections made so far.
	##
	## filtered: Finished connections vetoed so far.
	global hello: event(version: count, node: string, boot: string, final: bool,
	                    shards: vector of count, batches: vector of count,
	                    flows: vector of count, seen: count, partials: count,
	                    filtered: count);
}
