##! Batches of connections, a shard each, and how they are sent.

@load ./columns

module Metatap;

export {
	## Adds connections to the batches of their shards.
	##
	## recs: The connections, each with its summary.
	global add_rows: function(recs: vector of Conn::Info);
}

# What waits to be sent of a shard, and what was sent of it.
type Shard: record {
	batch:   Batch           &default=Batch();
	full:    vector of Batch &default=vector();
	batches: count           &default=0;
	flows:   count           &default=0;
};

# Only nodes that see packets export anything.
const exports = ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::WORKER;

global pending: vector of Shard;
global boot: string;

# Whether batches may be sent: from the start, or once an agent is there.
global released = T;

# Whether the final heartbeat was sent.
global finished = F;

# FNV-1a of the address as text: the same on each node and each machine.
function shard_of(orig: addr): count
	{
	return fnv1a32(cat(orig)) % |pending|;
	}

# Closes the batch of a shard and begins another.
function close(s: Shard)
	{
	if ( |s$batch$uid| == 0 )
		return;

	join_texts(s$batch);
	s$full += s$batch;
	s$batch = Batch();
	}

# Sends the full batches of a shard.
function send(shard: count)
	{
	local s = pending[shard];
	local topic = flows_topic(shard);

	for ( _, b in s$full )
		{
		local rows = |b$uid|;

		Cluster::publish(topic, Metatap::flows,
		                 Header($version=contract_version, $node=node(), $boot=boot,
		                        $shard=shard, $batch=s$batches, $flows_before=s$flows,
		                        $rows=rows),
		                 b$conn, b$dns, b$http, b$ssl, b$ssh);

		# Counted even if ZeroMQ should refuse it: then the agent sees the gap.
		++s$batches;
		s$flows += rows;
		++counters$batches;
		counters$flows += rows;
		}

	s$full = vector();
	}

function send_all()
	{
	for ( shard, s in pending )
		{
		close(s);
		send(shard);
		}
	}

function send_hello(final: bool)
	{
	local numbers: vector of count;
	local batches: vector of count;
	local flow_counts: vector of count;

	for ( shard, s in pending )
		{
		numbers += shard;
		batches += s$batches;
		flow_counts += s$flows;
		}

	Cluster::publish(hello_topic(), Metatap::hello, contract_version, node(), boot, final,
	                 numbers, batches, flow_counts,
	                 counters$seen, counters$partials, counters$filtered);
	}

# Adds connections to the batches of one shard.
function add_to_shard(shard: count, recs: vector of Conn::Info)
	{
	local s = pending[shard];
	local rest = recs;

	while ( |rest| > 0 )
		{
		local waiting = |s$batch$uid|;
		local space = waiting < batch_size ? batch_size - waiting : 1;
		local part = |rest| > space ? rest[:space] : rest;

		add_conns(s$batch, part);
		rest = rest[|part|:];

		if ( |part| < space )
			break;

		close(s);

		# While nobody has subscribed, as much is held back as is allowed.
		if ( released || |s$full| * batch_size * |pending| >= start_hold_flows )
			send(shard);
		}
	}

function add_rows(recs: vector of Conn::Info)
	{
	if ( finished )
		{
		for ( _, late in recs )
			Reporter::warning(fmt("metatap: %s comes after the final heartbeat, it is not sent",
			                      late$uid));
		return;
		}

	local parts: table[count] of vector of Conn::Info;

	if ( |pending| == 1 )
		parts[0] = recs;
	else
		{
		for ( _, rec in recs )
			{
			local shard = shard_of(rec$id$orig_h);

			if ( shard !in parts )
				parts[shard] = vector();

			parts[shard] += rec;
			}
		}

	# Each function that adds to a batch is called at one place only: -O ZAM makes a
	# copy of it for each, and takes that much longer to start.
	for ( part, members in parts )
		add_to_shard(part, members);
	}
