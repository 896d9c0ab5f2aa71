##! Where the flows go.
##!
##! **Without a cluster** this script switches the ZeroMQ backend on. Zeek
##! connects to two endpoints, by default on this host:
##!
##!  - ``Cluster::Backend::ZeroMQ::connect_xpub_endpoint`` (tcp://127.0.0.1:5556)
##!  - ``Cluster::Backend::ZeroMQ::connect_xsub_endpoint`` (tcp://127.0.0.1:5555)
##!
##! Someone has to listen there. Either the agent does (it binds 5556 to
##! receive): nothing to set here, and one hop fewer. Or Zeek itself does, so
##! that several agents can connect to 5555::
##!
##!     redef Cluster::Backend::ZeroMQ::run_proxy_thread = T;
##!
##! For ``zeek -r`` let the agent listen: at its end Zeek drops what its own proxy
##! has not passed on yet, and a file is read faster than a slow agent reads flows.
##!
##! For a unix-domain socket set the endpoints to ``ipc:///run/metatap/flows.sock``
##! and the like (with the proxy also ``listen_xpub_endpoint`` and
##! ``listen_xsub_endpoint``).
##!
##! **In a cluster** the backend is the site's choice, and this script leaves it
##! alone. With the ZeroMQ backend (``@load
##! frameworks/cluster/backend/zeromq/connect`` in local.zeek) the workers send
##! through the manager's proxy, and agents connect to its endpoint on 5555.
##! Other nodes may load this package, they send nothing.

@load ./main

@if ( ! Cluster::is_enabled() )
@load policy/frameworks/cluster/backend/zeromq/connect
@endif

@if ( ! Cluster::is_enabled() )
# No other node takes logs here, but with a backend there Zeek would still serialize
# each line of each log for one. A site that has one sets this to T again.
redef Log::enable_remote_logging = F;
@endif

module Metatap;

export {
	## Whether the command line makes Zeek read packets from a file. The queue's
	## settings are constants, it is too early to ask reading_traces() for them.
	global given_a_pcap: function(): bool;
}

function given_a_pcap(): bool
	{
	for ( i, arg in zeek_args() )
		{
		if ( i > 0 && (/^-[a-zA-Z]*r/ in arg || /^--readfile/ in arg) )
			return T;
		}

	return F;
	}

@if ( ! Cluster::is_enabled() && given_a_pcap() )
# A file is read as fast as Zeek can, and nothing slows it down when the agent
# is slower: keep all that is waiting in memory (about 200 bytes a flow) rather
# than drop it, and let a slow agent catch up at the end. A live Zeek keeps the
# backend's defaults (1000 messages, half a second) and so a bounded memory.
redef Cluster::Backend::ZeroMQ::xpub_sndhwm = 0;
redef Cluster::Backend::ZeroMQ::linger_ms = 600000;

event zeek_init()
	{
	if ( Cluster::Backend::ZeroMQ::run_proxy_thread )
		Reporter::warning("metatap: Zeek drops what its proxy has not passed on at the end of "
		                  + "the file; to lose nothing let the agent bind, without "
		                  + "run_proxy_thread");
	}
@endif

event zeek_init()
	{
	if ( cat(Cluster::backend) != "Cluster::CLUSTER_BACKEND_ZEROMQ" )
		Reporter::error("metatap needs the ZeroMQ cluster backend, no flow will reach an agent: "
		                + "@load frameworks/cluster/backend/zeromq/connect");
	}
