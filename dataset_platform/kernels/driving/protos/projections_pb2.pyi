from dataset_platform.kernels.driving.protos import frame_pb2 as _frame_pb2
from dataset_platform.kernels.driving.protos import map_pb2 as _map_pb2
from dataset_platform.kernels.driving.protos import scenario_pb2 as _scenario_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScenarioMotion(_message.Message):
    __slots__ = ("timestamps_seconds", "tracks", "objects_of_interest", "scenario_id", "sdc_track_index", "dynamic_map_states", "current_time_index", "tracks_to_predict")
    TIMESTAMPS_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TRACKS_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_OF_INTEREST_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_ID_FIELD_NUMBER: _ClassVar[int]
    SDC_TRACK_INDEX_FIELD_NUMBER: _ClassVar[int]
    DYNAMIC_MAP_STATES_FIELD_NUMBER: _ClassVar[int]
    CURRENT_TIME_INDEX_FIELD_NUMBER: _ClassVar[int]
    TRACKS_TO_PREDICT_FIELD_NUMBER: _ClassVar[int]
    timestamps_seconds: _containers.RepeatedScalarFieldContainer[float]
    tracks: _containers.RepeatedCompositeFieldContainer[_scenario_pb2.Track]
    objects_of_interest: _containers.RepeatedScalarFieldContainer[int]
    scenario_id: str
    sdc_track_index: int
    dynamic_map_states: _containers.RepeatedCompositeFieldContainer[_scenario_pb2.DynamicMapState]
    current_time_index: int
    tracks_to_predict: _containers.RepeatedCompositeFieldContainer[_scenario_pb2.RequiredPrediction]
    def __init__(self, timestamps_seconds: _Optional[_Iterable[float]] = ..., tracks: _Optional[_Iterable[_Union[_scenario_pb2.Track, _Mapping]]] = ..., objects_of_interest: _Optional[_Iterable[int]] = ..., scenario_id: _Optional[str] = ..., sdc_track_index: _Optional[int] = ..., dynamic_map_states: _Optional[_Iterable[_Union[_scenario_pb2.DynamicMapState, _Mapping]]] = ..., current_time_index: _Optional[int] = ..., tracks_to_predict: _Optional[_Iterable[_Union[_scenario_pb2.RequiredPrediction, _Mapping]]] = ...) -> None: ...

class ScenarioMap(_message.Message):
    __slots__ = ("scenario_id", "map_features")
    SCENARIO_ID_FIELD_NUMBER: _ClassVar[int]
    MAP_FEATURES_FIELD_NUMBER: _ClassVar[int]
    scenario_id: str
    map_features: _containers.RepeatedCompositeFieldContainer[_map_pb2.MapFeature]
    def __init__(self, scenario_id: _Optional[str] = ..., map_features: _Optional[_Iterable[_Union[_map_pb2.MapFeature, _Mapping]]] = ...) -> None: ...

class ContextName(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CameraState(_message.Message):
    __slots__ = ("name", "velocity")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VELOCITY_FIELD_NUMBER: _ClassVar[int]
    name: int
    velocity: _frame_pb2.Velocity
    def __init__(self, name: _Optional[int] = ..., velocity: _Optional[_Union[_frame_pb2.Velocity, _Mapping]] = ...) -> None: ...

class FrameState(_message.Message):
    __slots__ = ("context", "timestamp_micros", "pose", "images", "laser_labels", "camera_labels", "map_pose_offset")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MICROS_FIELD_NUMBER: _ClassVar[int]
    POSE_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    LASER_LABELS_FIELD_NUMBER: _ClassVar[int]
    CAMERA_LABELS_FIELD_NUMBER: _ClassVar[int]
    MAP_POSE_OFFSET_FIELD_NUMBER: _ClassVar[int]
    context: _frame_pb2.Context
    timestamp_micros: int
    pose: _frame_pb2.Transform
    images: _containers.RepeatedCompositeFieldContainer[CameraState]
    laser_labels: _containers.RepeatedCompositeFieldContainer[_frame_pb2.Label]
    camera_labels: _containers.RepeatedCompositeFieldContainer[_frame_pb2.CameraLabels]
    map_pose_offset: _frame_pb2.Vector3d
    def __init__(self, context: _Optional[_Union[_frame_pb2.Context, _Mapping]] = ..., timestamp_micros: _Optional[int] = ..., pose: _Optional[_Union[_frame_pb2.Transform, _Mapping]] = ..., images: _Optional[_Iterable[_Union[CameraState, _Mapping]]] = ..., laser_labels: _Optional[_Iterable[_Union[_frame_pb2.Label, _Mapping]]] = ..., camera_labels: _Optional[_Iterable[_Union[_frame_pb2.CameraLabels, _Mapping]]] = ..., map_pose_offset: _Optional[_Union[_frame_pb2.Vector3d, _Mapping]] = ...) -> None: ...

class FrameMap(_message.Message):
    __slots__ = ("context", "map_features")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    MAP_FEATURES_FIELD_NUMBER: _ClassVar[int]
    context: ContextName
    map_features: _containers.RepeatedCompositeFieldContainer[_map_pb2.MapFeature]
    def __init__(self, context: _Optional[_Union[ContextName, _Mapping]] = ..., map_features: _Optional[_Iterable[_Union[_map_pb2.MapFeature, _Mapping]]] = ...) -> None: ...

class FrameImages(_message.Message):
    __slots__ = ("context", "timestamp_micros", "images")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MICROS_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    context: ContextName
    timestamp_micros: int
    images: _containers.RepeatedCompositeFieldContainer[_frame_pb2.CameraImage]
    def __init__(self, context: _Optional[_Union[ContextName, _Mapping]] = ..., timestamp_micros: _Optional[int] = ..., images: _Optional[_Iterable[_Union[_frame_pb2.CameraImage, _Mapping]]] = ...) -> None: ...
