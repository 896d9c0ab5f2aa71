##! Waits for the agent at the start, and ends ``zeek -r`` at the end of the file.
##!
##! ZeroMQ drops what nobody has subscribed to. So ``zeek -r`` reads no packet
##! until an agent is there, and a live Zeek, which cannot wait, holds its first
##! flows back for a while.

@load ./endpoint
@load ./intake

module Metatap;

# Topic prefixes that someone has subscribed to.
global subscribed: set[string];

global waiting_since: time;
global reported_at: time;

# How often it was looked whether to go on.
global turns = 0;

# Looks again whether to go on, as long as Zeek waits.
global wait_on: event();

# Looks again whether a live Zeek has held flows back long enough.
global hold_on: event();

# Ends the holding back.
global release: event();

# Whether each shard has a subscriber.
function all_subscribed(): bool
	{
	for ( shard, _ in pending )
		{
		local topic = flows_topic(shard);
		local found = F;

		for ( prefix in subscribed )
			{
			if ( starts_with(topic, prefix) )
				{
				found = T;
				break;
				}
			}

		if ( ! found )
			return F;
		}

	return T;
	}

# What is being waited for, in words.
function awaited(): string
	{
	return fmt("an agent that subscribes to %s (%d shards) at %s", flows_topic(0), |pending|,
	           lookup_ID("Cluster::Backend::ZeroMQ::connect_xpub_endpoint") as string);
	}

event Metatap::release()
	{
	if ( released )
		return;

	released = T;
	send_all();
	send_hello(F);

	if ( is_processing_suspended() )
		continue_processing();
	}

event Metatap::wait_on()
	{
	if ( released || zeek_is_terminating() )
		return;

	local now = current_time();

	if ( wait_timeout > 0sec && now - waiting_since > wait_timeout )
		Reporter::fatal(fmt("metatap: gave up after %s waiting for %s",
		                    wait_timeout, awaited()));

	if ( now - reported_at >= wait_report_interval )
		{
		reported_at = now;
		Reporter::info(fmt("metatap: waiting for %s", awaited()));
		}

	# No timer fires while a file is not read, since its time stands still. An event
	# that queues itself comes back, but keeps the main loop spinning: let that
	# pause, though not before it has looked at its sockets, which it does at each
	# io_poll_interval_default'th turn with two events a turn.
	if ( ++turns % (2 * io_poll_interval_default) == 0 )
		piped_exec("sleep 0.1", "");

	event Metatap::wait_on();
	}

event Metatap::hold_on()
	{
	# By the wall clock: the packets' time is not set yet at the start, and a
	# timer would fire with the first packet.
	if ( released )
		return;

	if ( current_time() - waiting_since < start_hold )
		schedule 0.2sec { Metatap::hold_on() };
	else
		event Metatap::release();
	}

event Cluster::Backend::ZeroMQ::subscription(topic: string)
	{
	add subscribed[topic];

	if ( ! released && all_subscribed() )
		event Metatap::release();
	}

event Cluster::Backend::ZeroMQ::unsubscription(topic: string)
	{
	delete subscribed[topic];
	}

event zeek_init() &priority=-10
	{
	if ( ! exports || (reading_traces() ? ! wait_for_agent : start_hold == 0sec) )
		return;

	released = F;
	waiting_since = current_time();
	reported_at = waiting_since;

	if ( reading_traces() )
		{
		suspend_processing();
		event Metatap::wait_on();
		}
	else
		schedule 0.2sec { Metatap::hold_on() };
	}

event Pcap::file_done(path: string)
	{
	# The backend keeps Zeek alive at the end of the file. A site that wants that
	# too says so.
	if ( ! Cluster::is_enabled() && ! exit_only_after_terminate )
		terminate();
	}
