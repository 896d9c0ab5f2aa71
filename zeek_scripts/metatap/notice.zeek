##! What the agent found, as notices.
##!
##! An agent that is told to (a sink of type *zeek*) sends its alerts back over the
##! same backend that the flows go out on. Each one becomes a notice
##! :zeek:see:`Metatap::Alert`, and the site's policy decides what becomes of that::
##!
##!     hook Notice::policy(n: Notice::Info)
##!         {
##!         if ( n?$metatap && n$metatap?$severity && n$metatap$severity == "critical" )
##!             add n$actions[Notice::ACTION_EMAIL];
##!         }
##!
##! To have the alert's fields in notice.log, too::
##!
##!     redef record Notice::Info$metatap += { &log };
##!
##! The manager of a cluster, or a Zeek without one, takes alerts; other nodes do
##! not. Whoever can publish on the backend can raise any event in Zeek, so its
##! endpoints have to be out of reach for others. What comes is cut and checked all
##! the same.

@load base/frameworks/notice
@load ./main

module Metatap;

export {
	redef enum Notice::Type += {
		## Flows that a threat pack of the agent has found. The identifier is
		## the alert's id, it is suppressed for the alert's window.
		Alert,
	};

	## Whether alerts are taken. If not, this Zeek does not subscribe to them,
	## and an agent keeps them until somebody does.
	const notices = T &redef;

	## Which kinds of alerts become notices: ``opened``, the first flow of an
	## alert, or ``summary``, what is known at the end of its window. Both have
	## the same identifier, so that of two kinds the first suppresses the other.
	option notice_kinds: set[string] = { "opened" };

	## How many notices are raised in a minute at most. Further ones are dropped,
	## counted and reported.
	option notices_a_minute: count = 10000;

	## An alert as the agent sends it. Each field may be unset.
	type AlertInfo: record {
		## The same in all events about this alert.
		id:           string           &optional &log;
		## ``opened`` or ``summary``.
		kind:         string           &optional &log;
		## Of this event alone.
		event_id:     string           &optional &log;
		## Higher when more flows came after a summary.
		revision:     count            &optional &log;
		## End of the flow; of the last flow in a summary.
		ts:           time             &optional &log;
		## Id and name of the threat pack.
		pack:         string           &optional &log;
		name:         string           &optional &log;
		## ``low``, ``medium``, ``high`` or ``critical``.
		severity:     string           &optional &log;
		## Score of the flow, and the pack's threshold.
		score:        double           &optional &log;
		threshold:    double           &optional &log;
		## Flows so far.
		n:            count            &optional &log;
		## The alert's window.
		suppress_for: interval         &optional &log;
		## What, who and why in one sentence; the features that moved the score.
		msg:          string           &optional &log;
		sub:          string           &optional &log;
		## The flow. The protocol is in the ports.
		uid:          string           &optional &log;
		orig_h:       addr             &optional &log;
		orig_p:       port             &optional &log;
		resp_h:       addr             &optional &log;
		resp_p:       port             &optional &log;
		community_id: string           &optional &log;
		## ATT&CK techniques of the pack.
		attack:       vector of string &optional &log;
		## Name of the agent's sensor.
		sensor:       string           &optional &log;
	};

	redef record Notice::Info += {
		## The alert behind a notice :zeek:see:`Metatap::Alert`.
		metatap: AlertInfo &optional;
	};

	redef record Counters += {
		## Alerts that came.
		alerts: count &default=0;
		## Those of kinds that are not wanted.
		alerts_unwanted: count &default=0;
		## Those of another contract version or without an id or a kind.
		alerts_bad: count &default=0;
		## Those beyond :zeek:see:`Metatap::notices_a_minute`.
		alerts_too_many: count &default=0;
	};

	## An alert of an agent.
	##
	## version: Version of the contract.
	##
	## a: The alert.
	global alert: event(version: count, a: AlertInfo);
}

# What is longer is cut; the agent sends no more than this.
const id_max = 128;
const text_max = 1024;
const attack_max = 16;
const suppress_max = 1day;

# The minute in which notices are counted, by the wall clock.
global minute_began = double_to_time(0.0);
global minute_notices = 0;

# Whether a foreign contract version was reported.
global reported_version = F;

# Whether this node is the one that takes alerts.
function takes_alerts(): bool
	{
	return notices
	       && (! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::MANAGER);
	}

# At most so many bytes of a text, without control characters.
function plain(s: string, most: count): string
	{
	return gsub(|s| > most ? s[:most] : s, /[\x00-\x1f\x7f]/, " ");
	}

# The same alert within bounds. What is not needed is left out, if it is unset.
function tidied(a: AlertInfo): AlertInfo
	{
	a$id = plain(a$id, id_max);
	a$kind = plain(a$kind, id_max);

	if ( a?$event_id )
		a$event_id = plain(a$event_id, id_max);
	if ( a?$pack )
		a$pack = plain(a$pack, id_max);
	if ( a?$name )
		a$name = plain(a$name, text_max);
	if ( a?$severity )
		a$severity = plain(a$severity, id_max);
	if ( a?$msg )
		a$msg = plain(a$msg, text_max);
	if ( a?$sub )
		a$sub = plain(a$sub, text_max);
	if ( a?$uid )
		a$uid = plain(a$uid, id_max);
	if ( a?$community_id )
		a$community_id = plain(a$community_id, id_max);
	if ( a?$sensor )
		a$sensor = plain(a$sensor, text_max);

	if ( a?$attack )
		{
		local few: vector of string;

		for ( i, technique in a$attack )
			{
			if ( i == attack_max )
				break;

			few += plain(technique, id_max);
			}

		a$attack = few;
		}

	if ( a?$suppress_for )
		{
		if ( a$suppress_for > suppress_max )
			a$suppress_for = suppress_max;
		if ( a$suppress_for < 0sec )
			a$suppress_for = 0sec;
		}

	return a;
	}

# Whether one more notice may be raised; what was dropped is reported once a minute.
function within_rate(): bool
	{
	local now = current_time();

	if ( now < minute_began || now - minute_began >= 1min )
		{
		minute_began = now;
		minute_notices = 0;
		}

	if ( ++minute_notices <= notices_a_minute )
		return T;

	if ( ++counters$alerts_too_many == 1 || minute_notices == notices_a_minute + 1 )
		Reporter::warning(fmt("metatap: more than %d alerts within a minute, no notices for "
		                      + "the rest of it; %d dropped so far",
		                      notices_a_minute, counters$alerts_too_many));

	return F;
	}

# The notice for an alert within bounds.
function to_notice(a: AlertInfo): Notice::Info
	{
	local n = Notice::Info($note=Alert, $identifier=a$id, $metatap=a);

	# A file that is read has no time before its first packet.
	if ( a?$ts && network_time() == double_to_time(0.0) )
		n$ts = a$ts;

	if ( a?$suppress_for )
		n$suppress_for = a$suppress_for;
	if ( a?$msg )
		n$msg = a$msg;
	else
		n$msg = fmt("alert %s", a$id);
	if ( a?$sub )
		n$sub = a$sub;
	if ( a?$uid )
		n$uid = a$uid;
	if ( a?$n )
		n$n = a$n;
	if ( a?$sensor )
		n$peer_descr = a$sensor;

	if ( a?$orig_h && a?$orig_p && a?$resp_h && a?$resp_p )
		n$id = conn_id($orig_h=a$orig_h, $orig_p=a$orig_p, $resp_h=a$resp_h, $resp_p=a$resp_p);

	if ( a?$orig_h )
		n$src = a$orig_h;
	if ( a?$resp_h )
		n$dst = a$resp_h;
	if ( a?$resp_p )
		n$p = a$resp_p;

	return n;
	}

event Metatap::alert(version: count, a: AlertInfo)
	{
	if ( ! takes_alerts() )
		return;

	++counters$alerts;

	if ( version != contract_version || ! a?$id || ! a?$kind )
		{
		++counters$alerts_bad;

		if ( version != contract_version && ! reported_version )
			{
			reported_version = T;
			Reporter::warning(fmt("metatap: an agent sends alerts of version %d, this package "
			                      + "takes version %d", version, contract_version));
			}

		return;
		}

	if ( a$kind !in notice_kinds )
		++counters$alerts_unwanted;
	else if ( within_rate() )
		NOTICE(to_notice(tidied(a)));
	}

event zeek_init()
	{
	if ( takes_alerts() )
		Cluster::subscribe(fmt("metatap.alert.v%d.", contract_version));
	}
