"""Starts and ends of containerd's tasks, heard by one thread for as long as a bench takes."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
from scripts.lib.engine_http import EngineProblem, Event

from ring.runtimes.containerd import methods
from ring.runtimes.containerd.api import events_pb2, payloads_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUBSCRIBED_S = 0.5
"""Nothing says when containerd has begun to tell events."""
START, EXIT = "/tasks/start", "/tasks/exit"


class RawEvents:
    def __init__(self, channel: grpc.Channel, metadata: Sequence[tuple[str, str]]) -> None:
        self._channel = channel
        self._metadata = metadata
        self._started: dict[str, float] = {}
        self._news = threading.Condition()
        self._listeners: list[queue.SimpleQueue[Event]] = []
        threading.Thread(target=self._listen, daemon=True).start()
        time.sleep(SUBSCRIBED_S)

    def started_at(self, name: str, timeout_s: float) -> float:
        """When its shim had it running, in Unix seconds."""
        with self._news:
            if not self._news.wait_for(lambda: name in self._started, timeout_s):
                raise EngineProblem(f"{name} has not started within {timeout_s:.0f} s")
            return self._started[name]

    @contextmanager
    def heard(self, timeout_s: float) -> Iterator[Iterator[Event]]:
        """From now on; raises EngineProblem where the next one takes longer."""
        coming: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._listeners.append(coming)
        try:
            yield _taken(coming, timeout_s)
        finally:
            self._listeners.remove(coming)

    def _listen(self) -> None:
        ask = self._channel.unary_stream(
            methods.EVENTS_SUBSCRIBE.path,
            request_serializer=events_pb2.SubscribeRequest.SerializeToString,
            response_deserializer=events_pb2.Envelope.FromString,
        )
        request = events_pb2.SubscribeRequest(filters=[f'topic~="^({START}|{EXIT})$"'])
        try:
            for envelope in ask(request, metadata=self._metadata):
                self._note(envelope)
        except grpc.RpcError:
            return  # whoever waits says that nothing has come

    def _note(self, envelope: events_pb2.Envelope) -> None:
        at = envelope.timestamp.seconds + envelope.timestamp.nanos / 1e9
        content = envelope.event.value
        if envelope.topic == START:
            started = payloads_pb2.TaskStart.FromString(content)
            self._tell(Event("start", started.container_id, {}, at))
            return
        ended = payloads_pb2.TaskExit.FromString(content)
        if ended.id == ended.container_id:
            self._tell(Event("die", ended.container_id, {}, at))

    def _tell(self, event: Event) -> None:
        with self._news:
            if event.action == "start":
                self._started[event.container] = event.at
            self._news.notify_all()
        for listener in list(self._listeners):
            listener.put(event)


def _taken(coming: queue.SimpleQueue[Event], timeout_s: float) -> Iterator[Event]:
    while True:
        try:
            yield coming.get(timeout=timeout_s)
        except queue.Empty as problem:
            raise EngineProblem(f"no event within {timeout_s:.0f} s") from problem
