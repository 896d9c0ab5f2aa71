##! metatap: finished connections, with what DNS, HTTP, TLS and SSH said about
##! them, exported over Zeek's ZeroMQ cluster backend.

@load ./main
@load ./wire
@load ./summaries
@load ./batch
@load ./protocols
@load ./columns
@load ./export
@load ./intake
@load ./long
@load ./endpoint
@load ./lifecycle
@load ./notice
