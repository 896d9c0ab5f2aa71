##! Takes finished connections in, and says when batches and heartbeats are sent.

@load ./export
@load ./summaries

module Metatap;

# How many connections are taken in at once: what is done once for all of them is
# then little for each, and the packets do not wait long for it.
const settle_size = 64;

# Logged connections about which lines may still come.
global fresh: vector of Conn::Info;

# When the last flush and the last heartbeat were, by the wall clock.
global flushed_at: time;
global beat_at: time;

# Connections are logged, and so are all lines about them.
global complete: event(recs: vector of Conn::Info);

# Takes in what is logged each flush interval, and has it sent.
global flush: event();

# Sends what was taken in.
global send_waiting: event();

# Sends the counters.
global beat: event();

# Sends the rest.
global finish: event();

# In a file the packets' time runs faster, and nobody waits for it.
function too_early(last: time, pause: interval): bool
	{
	return reading_traces() && current_time() - last < pause;
	}

# Takes the connections about which all is said.
function take(recs: vector of Conn::Info)
	{
	local kept: vector of Conn::Info;

	for ( _, rec in recs )
		{
		if ( rec$uid in summaries )
			{
			rec$metatap_summary = summaries[rec$uid];
			delete summaries[rec$uid];
			}

		if ( hook Metatap::filter(rec) )
			kept += rec;
		}

	counters$seen += |recs|;
	counters$filtered += |recs| - |kept|;
	add_rows(kept);
	}

# Not all is said yet when a connection is logged: a failed SSH login is logged by
# an event that the removal of the connection queued, and the summary takes one
# more. Both come before one that is queued now.
function settle()
	{
	if ( |fresh| == 0 )
		return;

	event Metatap::complete(fresh);
	fresh = vector();
	}

event Conn::log_conn(rec: Conn::Info)
	{
	if ( ! exports )
		return;

	# Too late to be sent: it is told at once.
	if ( finished )
		{
		take(vector(rec));
		return;
		}

	fresh += rec;

	if ( |fresh| >= settle_size || |fresh| >= batch_size )
		settle();
	}

event Metatap::complete(recs: vector of Conn::Info)
	{
	take(recs);
	}

event Metatap::flush()
	{
	if ( finished )
		return;

	schedule flush_interval { Metatap::flush() };
	settle();

	if ( ! released || too_early(flushed_at, flush_interval) )
		return;

	flushed_at = current_time();
	event Metatap::send_waiting();
	}

event Metatap::send_waiting()
	{
	if ( ! finished )
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
	take(fresh);
	fresh = vector();
	send_all();
	finished = T;
	send_hello(T);
	}
