##! What a site can set, read and hook into.
##!
##! Nothing has to be configured: loading the package exports every finished
##! connection. See :doc:`endpoint.zeek` for where it is sent to.

@load base/frameworks/cluster
@load base/protocols/conn

module Metatap;

export {
	## Version of the contract between this package and the agent. Both name
	## it, and the agent refuses any other.
	const contract_version = 1;

	## How many flows are sent as one message. Larger batches cost less per
	## flow, smaller ones arrive sooner.
	option batch_size: count = 512;

	## How long a flow waits at most for its batch to fill up.
	option flush_interval: interval = 0.5sec;

	## How often the counters are sent, so that the agent can tell an idle
	## node from a dead one, and sees flows that were lost at the end.
	option heartbeat_interval: interval = 1sec;

	## How often a connection that is still alive is reported, each time as
	## a record flagged *partial*. 0 turns partial records off.
	option partial_interval: interval = 5min;

	## To how many bytes a text (name, URI, user agent) is cut. The agent
	## accepts up to the default, not more.
	option string_max: count = 256;

	## How many shards the flows are divided into: as many agents can share
	## the work. All flows of one originator go to one shard. At most 1000,
	## and the same on all nodes of a cluster.
	const shards: count = 1 &redef;

	## By what name the agent knows this node. Empty stands for the name in
	## the cluster layout, or ``zeek`` without a cluster. Two Zeeks without a
	## cluster that send to one agent need different names.
	const node_name: string = "" &redef;

	## Whether ``zeek -r`` waits with the first packet until an agent has
	## subscribed to all shards. Without an agent it waits forever, unless
	## :zeek:see:`Metatap::wait_timeout` is set.
	const wait_for_agent: bool = T &redef;

	## After what time ``zeek -r`` gives up waiting and ends with an error.
	## 0 waits forever.
	const wait_timeout: interval = 0sec &redef;

	## How often it says what it is waiting for.
	const wait_report_interval: interval = 10sec &redef;

	## How long flows are held back after a live start while no agent has
	## subscribed, since without a subscriber they would be lost.
	const start_hold: interval = 10sec &redef;

	## How many flows are held back at most during that time.
	const start_hold_flows: count = 16384 &redef;

	## How long a summary of DNS, HTTP, TLS or SSH is kept at least for a
	## connection that Zeek no longer knows and never logged; at most three
	## times as long.
	const summary_timeout: interval = 10min &redef;

	## A hook to keep connections from being exported: ``break`` in it. It is
	## called for each finished connection and for each partial record.
	##
	## rec: The connection as it goes to conn.log.
	##
	## .. zeek:see:: Conn::log_conn
	global filter: hook(rec: Conn::Info);

	## What this node has done since its start.
	type Counters: record {
		## Finished connections seen.
		seen: count &default=0;
		## Finished connections that :zeek:see:`Metatap::filter` vetoed.
		filtered: count &default=0;
		## Partial records of living connections made.
		partials: count &default=0;
		## Batches handed to ZeroMQ.
		batches: count &default=0;
		## Flows in them.
		flows: count &default=0;
		## Summaries dropped because their connection was never logged.
		orphans: count &default=0;
	};

	## The counters, to be read only.
	global counters: Counters = Counters();

	## The name of this node in what it sends.
	global node: function(): string;

	## The topic for the batches of a shard of this node.
	global flows_topic: function(shard: count): string;

	## The topic for the heartbeat of this node.
	global hello_topic: function(): string;
}

function node(): string
	{
	if ( node_name != "" )
		return node_name;

	return Cluster::node == "" ? "zeek" : Cluster::node;
	}

# A dot would end the name, other characters would make topics hard to type.
function topic_node(): string
	{
	return gsub(node(), /[^A-Za-z0-9_-]/, "_");
	}

function flows_topic(shard: count): string
	{
	return fmt("metatap.flows.v%d.%03d.%s.", contract_version, shard, topic_node());
	}

function hello_topic(): string
	{
	return fmt("metatap.hello.v%d.%s.", contract_version, topic_node());
	}
