"""The calls of containerd's API that Ring makes: where each is, what it takes, what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from google.protobuf.empty_pb2 import Empty

from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.api import content_pb2 as content
from ring.runtimes.containerd.api import diff_pb2 as diff
from ring.runtimes.containerd.api import events_pb2 as events
from ring.runtimes.containerd.api import images_pb2 as images
from ring.runtimes.containerd.api import introspection_pb2 as introspection
from ring.runtimes.containerd.api import leases_pb2 as leases
from ring.runtimes.containerd.api import namespaces_pb2 as namespaces
from ring.runtimes.containerd.api import snapshots_pb2 as snapshots
from ring.runtimes.containerd.api import tasks_pb2 as tasks
from ring.runtimes.containerd.api import version_pb2 as version

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Method(Generic[Q, A]):
    path: str
    request_type: type[Q]
    answer_type: type[A]


_SERVICES: Final = "/containerd.services"
_VERSION: Final = f"{_SERVICES}.version.v1.Version"
_INTROSPECTION: Final = f"{_SERVICES}.introspection.v1.Introspection"
_NAMESPACES: Final = f"{_SERVICES}.namespaces.v1.Namespaces"
_CONTAINERS: Final = f"{_SERVICES}.containers.v1.Containers"
_CONTENT: Final = f"{_SERVICES}.content.v1.Content"
_IMAGES: Final = f"{_SERVICES}.images.v1.Images"
_LEASES: Final = f"{_SERVICES}.leases.v1.Leases"
_SNAPSHOTS: Final = f"{_SERVICES}.snapshots.v1.Snapshots"
_DIFF: Final = f"{_SERVICES}.diff.v1.Diff"
_TASKS: Final = f"{_SERVICES}.tasks.v1.Tasks"
_EVENTS: Final = f"{_SERVICES}.events.v1.Events"

VERSION: Final = Method(f"{_VERSION}/Version", Empty, version.VersionResponse)

INTROSPECTION_PLUGINS: Final = Method(
    f"{_INTROSPECTION}/Plugins", introspection.PluginsRequest, introspection.PluginsResponse
)

NAMESPACES_CREATE: Final = Method(
    f"{_NAMESPACES}/Create", namespaces.CreateNamespaceRequest, namespaces.CreateNamespaceResponse
)

CONTAINERS_GET: Final = Method(
    f"{_CONTAINERS}/Get", containers.GetContainerRequest, containers.GetContainerResponse
)
CONTAINERS_LIST_STREAM: Final = Method(
    f"{_CONTAINERS}/ListStream", containers.ListContainersRequest, containers.ListContainerMessage
)
"""Server streaming."""
CONTAINERS_CREATE: Final = Method(
    f"{_CONTAINERS}/Create", containers.CreateContainerRequest, containers.CreateContainerResponse
)
CONTAINERS_UPDATE: Final = Method(
    f"{_CONTAINERS}/Update", containers.UpdateContainerRequest, containers.UpdateContainerResponse
)
CONTAINERS_DELETE: Final = Method(f"{_CONTAINERS}/Delete", containers.DeleteContainerRequest, Empty)

CONTENT_INFO: Final = Method(f"{_CONTENT}/Info", content.InfoRequest, content.InfoResponse)
CONTENT_UPDATE: Final = Method(f"{_CONTENT}/Update", content.UpdateRequest, content.UpdateResponse)
CONTENT_READ: Final = Method(
    f"{_CONTENT}/Read", content.ReadContentRequest, content.ReadContentResponse
)
"""Server streaming."""
CONTENT_STATUS: Final = Method(f"{_CONTENT}/Status", content.StatusRequest, content.StatusResponse)
CONTENT_WRITE: Final = Method(
    f"{_CONTENT}/Write", content.WriteContentRequest, content.WriteContentResponse
)
"""Streaming both ways."""
CONTENT_ABORT: Final = Method(f"{_CONTENT}/Abort", content.AbortRequest, Empty)

IMAGES_GET: Final = Method(f"{_IMAGES}/Get", images.GetImageRequest, images.GetImageResponse)
IMAGES_LIST: Final = Method(f"{_IMAGES}/List", images.ListImagesRequest, images.ListImagesResponse)
IMAGES_CREATE: Final = Method(
    f"{_IMAGES}/Create", images.CreateImageRequest, images.CreateImageResponse
)
IMAGES_UPDATE: Final = Method(
    f"{_IMAGES}/Update", images.UpdateImageRequest, images.UpdateImageResponse
)
IMAGES_DELETE: Final = Method(f"{_IMAGES}/Delete", images.DeleteImageRequest, Empty)

LEASES_CREATE: Final = Method(f"{_LEASES}/Create", leases.CreateRequest, leases.CreateResponse)
LEASES_DELETE: Final = Method(f"{_LEASES}/Delete", leases.DeleteRequest, Empty)
LEASES_ADD_RESOURCE: Final = Method(f"{_LEASES}/AddResource", leases.AddResourceRequest, Empty)

SNAPSHOTS_PREPARE: Final = Method(
    f"{_SNAPSHOTS}/Prepare", snapshots.PrepareSnapshotRequest, snapshots.PrepareSnapshotResponse
)
SNAPSHOTS_MOUNTS: Final = Method(
    f"{_SNAPSHOTS}/Mounts", snapshots.MountsRequest, snapshots.MountsResponse
)
SNAPSHOTS_COMMIT: Final = Method(f"{_SNAPSHOTS}/Commit", snapshots.CommitSnapshotRequest, Empty)
SNAPSHOTS_REMOVE: Final = Method(f"{_SNAPSHOTS}/Remove", snapshots.RemoveSnapshotRequest, Empty)
SNAPSHOTS_STAT: Final = Method(
    f"{_SNAPSHOTS}/Stat", snapshots.StatSnapshotRequest, snapshots.StatSnapshotResponse
)
SNAPSHOTS_LIST: Final = Method(
    f"{_SNAPSHOTS}/List", snapshots.ListSnapshotsRequest, snapshots.ListSnapshotsResponse
)
"""Server streaming."""

DIFF_APPLY: Final = Method(f"{_DIFF}/Apply", diff.ApplyRequest, diff.ApplyResponse)

TASKS_CREATE: Final = Method(f"{_TASKS}/Create", tasks.CreateTaskRequest, tasks.CreateTaskResponse)
TASKS_START: Final = Method(f"{_TASKS}/Start", tasks.StartRequest, tasks.StartResponse)
TASKS_DELETE: Final = Method(f"{_TASKS}/Delete", tasks.DeleteTaskRequest, tasks.DeleteResponse)
TASKS_DELETE_PROCESS: Final = Method(
    f"{_TASKS}/DeleteProcess", tasks.DeleteProcessRequest, tasks.DeleteResponse
)
TASKS_GET: Final = Method(f"{_TASKS}/Get", tasks.GetRequest, tasks.GetResponse)
TASKS_LIST: Final = Method(f"{_TASKS}/List", tasks.ListTasksRequest, tasks.ListTasksResponse)
TASKS_KILL: Final = Method(f"{_TASKS}/Kill", tasks.KillRequest, Empty)
TASKS_EXEC: Final = Method(f"{_TASKS}/Exec", tasks.ExecProcessRequest, Empty)
TASKS_RESIZE_PTY: Final = Method(f"{_TASKS}/ResizePty", tasks.ResizePtyRequest, Empty)
TASKS_CLOSE_IO: Final = Method(f"{_TASKS}/CloseIO", tasks.CloseIORequest, Empty)
TASKS_RESUME: Final = Method(f"{_TASKS}/Resume", tasks.ResumeTaskRequest, Empty)
TASKS_WAIT: Final = Method(f"{_TASKS}/Wait", tasks.WaitRequest, tasks.WaitResponse)

EVENTS_SUBSCRIBE: Final = Method(f"{_EVENTS}/Subscribe", events.SubscribeRequest, events.Envelope)
"""Server streaming."""
