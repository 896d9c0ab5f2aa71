##! Collects finished connections and sends them in batches, a shard each.

@load ./columns

module Metatap;

export {
	## Adds a connection to the batch of its shard.
	##
	## rec: The connection, with its summary.
	global add_row: function(rec: Conn::Info);
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

# When the last flush and the last heartbeat were, by the wall clock.
global flushed_at: time;
global beat_at: time;

# A connection is logged, and so are all lines about it.
global complete: event(rec: Conn::Info);

# Sends what waited for longer than the flush interval.
global flush: event();

# Sends the counters.
global beat: event();

# Sends the rest.
global finish: event();

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

function add_row(rec: Conn::Info)
	{
	if ( finished )
		{
		Reporter::warning(fmt("metatap: %s comes after the final heartbeat, it is not sent",
		                      rec$uid));
		return;
		}

	local shard = |pending| > 1 ? shard_of(rec$id$orig_h) : 0;
	local s = pending[shard];

	add_conn(s$batch, rec);

	if ( rec?$metatap_summary )
		add_summary(s$batch, rec$metatap_summary);

	if ( |s$batch$uid| < batch_size )
		return;

	close(s);

	# While nobody has subscribed, as much is held back as is allowed.
	if ( released || |s$full| * batch_size * |pending| >= start_hold_flows )
		send(shard);
	}

# In a file the packets' time runs faster, and nobody waits for it.
function too_early(last: time, pause: interval): bool
	{
	return reading_traces() && current_time() - last < pause;
	}

event Conn::log_conn(rec: Conn::Info)
	{
	# Not all is said yet: a failed SSH login is logged by an event that the
	# removal of the connection queued, and the summary takes one more. Both
	# come before this one.
	if ( exports )
		event Metatap::complete(rec);
	}

event Metatap::complete(rec: Conn::Info)
	{
	++counters$seen;

	if ( rec$uid in summaries )
		{
		rec$metatap_summary = summaries[rec$uid];
		delete summaries[rec$uid];
		}

	if ( hook Metatap::filter(rec) )
		add_row(rec);
	else
		++counters$filtered;
	}

event Metatap::flush()
	{
	if ( finished )
		return;

	schedule flush_interval { Metatap::flush() };

	if ( ! released || too_early(flushed_at, flush_interval) )
		return;

	flushed_at = current_time();
	send_all();
	}

event Metatap::beat()
	{
	if ( finished )
		return;

	schedule heartbeat_interval { Metatap::beat() };

	if ( ! released || too_early(beat_at, heartbeat_interval) )
		return;

	beat_at = current_time();
	send_hello(F);
	}

event zeek_init() &priority=-5
	{
	# Process ids and host clocks repeat, and so does unique_id() under fixed seeds.
	boot = fmt("%s-%.6f-%d", unique_id("B"), current_time(), getpid());

	local n = shards < 1 ? 1 : (shards > 1000 ? 1000 : shards);

	if ( n != shards )
		Reporter::error(fmt("Metatap::shards = %d is not in 1 to 1000, taking %d", shards, n));

	while ( |pending| < n )
		pending += Shard();

	if ( ! exports )
		return;

	flushed_at = current_time();
	beat_at = flushed_at;
	schedule flush_interval { Metatap::flush() };
	schedule heartbeat_interval { Metatap::beat() };
	}

event zeek_done() &priority=-20
	{
	# What the last connections have in the queue comes first.
	if ( exports )
		event Metatap::finish();
	}

event Metatap::finish()
	{
	send_all();
	finished = T;
	send_hello(T);
	}
