##! A Zeek in the agent's place: receives the flows of another one and checks that
##! all came.

module Smoke;

redef Cluster::Backend::ZeroMQ::run_proxy_thread = T;

global rows = 0;
global dns_rows = 0;
global http_rows = 0;

event zeek_init()
	{
	Cluster::subscribe("metatap.");
	}

event Metatap::flows(header: Metatap::Header, conn: Metatap::ConnColumns,
                     dns: Metatap::DNSColumns, http: Metatap::HTTPColumns,
                     ssl: Metatap::SSLColumns, ssh: Metatap::SSHColumns)
	{
	if ( |conn$ts| != header$rows || |conn$flags| != header$rows )
		{
		print fmt("batch %d: %d rows, but %d are said", header$batch, |conn$ts|, header$rows);
		exit(1);
		}

	rows += header$rows;
	dns_rows += |dns$row|;
	http_rows += |http$row|;
	}

event Metatap::hello(version: count, node: string, boot: string, final: bool,
                     shards: vector of count, batches: vector of count,
                     flows: vector of count, seen: count, partials: count, filtered: count)
	{
	if ( ! final )
		return;

	local ok = seen == 12 && rows == seen && flows[0] == seen && dns_rows == 3 && http_rows == 2;

	print fmt("%s: %d connections seen, %d flows received, %d with DNS, %d with HTTP",
	          ok ? "ok" : "failed", seen, rows, dns_rows, http_rows);
	exit(ok ? 0 : 1);
	}
