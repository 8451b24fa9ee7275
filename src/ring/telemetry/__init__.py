"""Traces, metrics and logs sent to a collector by OTLP over gRPC.

Nothing here is ever in the way: what cannot be built is left out with a line in the log, and a
collector that is away or hangs costs what was meant for it. The packages of the extra `otlp` take a
second and tens of megabytes, so only `signals` imports them, on a thread, once one is enabled.
"""

from __future__ import annotations

from ring.telemetry.exporting import Telemetry

__all__ = ["Telemetry"]
