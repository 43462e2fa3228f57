from dataset_platform.kernels.driving.protos import map_pb2 as _map_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CameraName(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAMERA_UNKNOWN: _ClassVar[CameraName]
    FRONT: _ClassVar[CameraName]
    FRONT_LEFT: _ClassVar[CameraName]
    FRONT_RIGHT: _ClassVar[CameraName]
    SIDE_LEFT: _ClassVar[CameraName]
    SIDE_RIGHT: _ClassVar[CameraName]
    REAR_LEFT: _ClassVar[CameraName]
    REAR: _ClassVar[CameraName]
    REAR_RIGHT: _ClassVar[CameraName]

class LaserName(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LASER_UNKNOWN: _ClassVar[LaserName]
    LASER_TOP: _ClassVar[LaserName]
    LASER_FRONT: _ClassVar[LaserName]
    LASER_SIDE_LEFT: _ClassVar[LaserName]
    LASER_SIDE_RIGHT: _ClassVar[LaserName]
    LASER_REAR: _ClassVar[LaserName]
CAMERA_UNKNOWN: CameraName
FRONT: CameraName
FRONT_LEFT: CameraName
FRONT_RIGHT: CameraName
SIDE_LEFT: CameraName
SIDE_RIGHT: CameraName
REAR_LEFT: CameraName
REAR: CameraName
REAR_RIGHT: CameraName
LASER_UNKNOWN: LaserName
LASER_TOP: LaserName
LASER_FRONT: LaserName
LASER_SIDE_LEFT: LaserName
LASER_SIDE_RIGHT: LaserName
LASER_REAR: LaserName

class Vector3d(_message.Message):
    __slots__ = ("x", "y", "z")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    Z_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    z: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., z: _Optional[float] = ...) -> None: ...

class Transform(_message.Message):
    __slots__ = ("transform",)
    TRANSFORM_FIELD_NUMBER: _ClassVar[int]
    transform: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, transform: _Optional[_Iterable[float]] = ...) -> None: ...

class Velocity(_message.Message):
    __slots__ = ("v_x", "v_y", "v_z", "w_x", "w_y", "w_z")
    V_X_FIELD_NUMBER: _ClassVar[int]
    V_Y_FIELD_NUMBER: _ClassVar[int]
    V_Z_FIELD_NUMBER: _ClassVar[int]
    W_X_FIELD_NUMBER: _ClassVar[int]
    W_Y_FIELD_NUMBER: _ClassVar[int]
    W_Z_FIELD_NUMBER: _ClassVar[int]
    v_x: float
    v_y: float
    v_z: float
    w_x: float
    w_y: float
    w_z: float
    def __init__(self, v_x: _Optional[float] = ..., v_y: _Optional[float] = ..., v_z: _Optional[float] = ..., w_x: _Optional[float] = ..., w_y: _Optional[float] = ..., w_z: _Optional[float] = ...) -> None: ...

class CameraCalibration(_message.Message):
    __slots__ = ("name", "intrinsic", "extrinsic", "width", "height", "rolling_shutter_direction")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INTRINSIC_FIELD_NUMBER: _ClassVar[int]
    EXTRINSIC_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ROLLING_SHUTTER_DIRECTION_FIELD_NUMBER: _ClassVar[int]
    name: CameraName
    intrinsic: _containers.RepeatedScalarFieldContainer[float]
    extrinsic: Transform
    width: int
    height: int
    rolling_shutter_direction: int
    def __init__(self, name: _Optional[_Union[CameraName, str]] = ..., intrinsic: _Optional[_Iterable[float]] = ..., extrinsic: _Optional[_Union[Transform, _Mapping]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., rolling_shutter_direction: _Optional[int] = ...) -> None: ...

class LaserCalibration(_message.Message):
    __slots__ = ("name", "beam_inclinations", "beam_inclination_min", "beam_inclination_max", "extrinsic")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BEAM_INCLINATIONS_FIELD_NUMBER: _ClassVar[int]
    BEAM_INCLINATION_MIN_FIELD_NUMBER: _ClassVar[int]
    BEAM_INCLINATION_MAX_FIELD_NUMBER: _ClassVar[int]
    EXTRINSIC_FIELD_NUMBER: _ClassVar[int]
    name: LaserName
    beam_inclinations: _containers.RepeatedScalarFieldContainer[float]
    beam_inclination_min: float
    beam_inclination_max: float
    extrinsic: Transform
    def __init__(self, name: _Optional[_Union[LaserName, str]] = ..., beam_inclinations: _Optional[_Iterable[float]] = ..., beam_inclination_min: _Optional[float] = ..., beam_inclination_max: _Optional[float] = ..., extrinsic: _Optional[_Union[Transform, _Mapping]] = ...) -> None: ...

class Stats(_message.Message):
    __slots__ = ("laser_object_counts", "time_of_day", "location", "weather", "camera_object_counts")
    class ObjectCount(_message.Message):
        __slots__ = ("type", "count")
        TYPE_FIELD_NUMBER: _ClassVar[int]
        COUNT_FIELD_NUMBER: _ClassVar[int]
        type: int
        count: int
        def __init__(self, type: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...
    LASER_OBJECT_COUNTS_FIELD_NUMBER: _ClassVar[int]
    TIME_OF_DAY_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    WEATHER_FIELD_NUMBER: _ClassVar[int]
    CAMERA_OBJECT_COUNTS_FIELD_NUMBER: _ClassVar[int]
    laser_object_counts: _containers.RepeatedCompositeFieldContainer[Stats.ObjectCount]
    time_of_day: str
    location: str
    weather: str
    camera_object_counts: _containers.RepeatedCompositeFieldContainer[Stats.ObjectCount]
    def __init__(self, laser_object_counts: _Optional[_Iterable[_Union[Stats.ObjectCount, _Mapping]]] = ..., time_of_day: _Optional[str] = ..., location: _Optional[str] = ..., weather: _Optional[str] = ..., camera_object_counts: _Optional[_Iterable[_Union[Stats.ObjectCount, _Mapping]]] = ...) -> None: ...

class Context(_message.Message):
    __slots__ = ("name", "camera_calibrations", "laser_calibrations", "stats")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CAMERA_CALIBRATIONS_FIELD_NUMBER: _ClassVar[int]
    LASER_CALIBRATIONS_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    name: str
    camera_calibrations: _containers.RepeatedCompositeFieldContainer[CameraCalibration]
    laser_calibrations: _containers.RepeatedCompositeFieldContainer[LaserCalibration]
    stats: Stats
    def __init__(self, name: _Optional[str] = ..., camera_calibrations: _Optional[_Iterable[_Union[CameraCalibration, _Mapping]]] = ..., laser_calibrations: _Optional[_Iterable[_Union[LaserCalibration, _Mapping]]] = ..., stats: _Optional[_Union[Stats, _Mapping]] = ...) -> None: ...

class Label(_message.Message):
    __slots__ = ("box", "metadata", "type", "id")
    class Box(_message.Message):
        __slots__ = ("center_x", "center_y", "center_z", "width", "length", "height", "heading")
        CENTER_X_FIELD_NUMBER: _ClassVar[int]
        CENTER_Y_FIELD_NUMBER: _ClassVar[int]
        CENTER_Z_FIELD_NUMBER: _ClassVar[int]
        WIDTH_FIELD_NUMBER: _ClassVar[int]
        LENGTH_FIELD_NUMBER: _ClassVar[int]
        HEIGHT_FIELD_NUMBER: _ClassVar[int]
        HEADING_FIELD_NUMBER: _ClassVar[int]
        center_x: float
        center_y: float
        center_z: float
        width: float
        length: float
        height: float
        heading: float
        def __init__(self, center_x: _Optional[float] = ..., center_y: _Optional[float] = ..., center_z: _Optional[float] = ..., width: _Optional[float] = ..., length: _Optional[float] = ..., height: _Optional[float] = ..., heading: _Optional[float] = ...) -> None: ...
    class Metadata(_message.Message):
        __slots__ = ("speed_x", "speed_y", "accel_x", "accel_y", "speed_z", "accel_z")
        SPEED_X_FIELD_NUMBER: _ClassVar[int]
        SPEED_Y_FIELD_NUMBER: _ClassVar[int]
        ACCEL_X_FIELD_NUMBER: _ClassVar[int]
        ACCEL_Y_FIELD_NUMBER: _ClassVar[int]
        SPEED_Z_FIELD_NUMBER: _ClassVar[int]
        ACCEL_Z_FIELD_NUMBER: _ClassVar[int]
        speed_x: float
        speed_y: float
        accel_x: float
        accel_y: float
        speed_z: float
        accel_z: float
        def __init__(self, speed_x: _Optional[float] = ..., speed_y: _Optional[float] = ..., accel_x: _Optional[float] = ..., accel_y: _Optional[float] = ..., speed_z: _Optional[float] = ..., accel_z: _Optional[float] = ...) -> None: ...
    BOX_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    box: Label.Box
    metadata: Label.Metadata
    type: int
    id: str
    def __init__(self, box: _Optional[_Union[Label.Box, _Mapping]] = ..., metadata: _Optional[_Union[Label.Metadata, _Mapping]] = ..., type: _Optional[int] = ..., id: _Optional[str] = ...) -> None: ...

class CameraLabels(_message.Message):
    __slots__ = ("name", "labels")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: CameraName
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    def __init__(self, name: _Optional[_Union[CameraName, str]] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ...) -> None: ...

class CameraImage(_message.Message):
    __slots__ = ("name", "image", "pose", "velocity", "pose_timestamp", "shutter", "camera_trigger_time", "camera_readout_done_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    POSE_FIELD_NUMBER: _ClassVar[int]
    VELOCITY_FIELD_NUMBER: _ClassVar[int]
    POSE_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    SHUTTER_FIELD_NUMBER: _ClassVar[int]
    CAMERA_TRIGGER_TIME_FIELD_NUMBER: _ClassVar[int]
    CAMERA_READOUT_DONE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: int
    image: bytes
    pose: Transform
    velocity: Velocity
    pose_timestamp: float
    shutter: float
    camera_trigger_time: float
    camera_readout_done_time: float
    def __init__(self, name: _Optional[int] = ..., image: _Optional[bytes] = ..., pose: _Optional[_Union[Transform, _Mapping]] = ..., velocity: _Optional[_Union[Velocity, _Mapping]] = ..., pose_timestamp: _Optional[float] = ..., shutter: _Optional[float] = ..., camera_trigger_time: _Optional[float] = ..., camera_readout_done_time: _Optional[float] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("context", "timestamp_micros", "pose", "images", "laser_labels", "camera_labels", "projected_lidar_labels", "map_features", "map_pose_offset")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MICROS_FIELD_NUMBER: _ClassVar[int]
    POSE_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    LASER_LABELS_FIELD_NUMBER: _ClassVar[int]
    CAMERA_LABELS_FIELD_NUMBER: _ClassVar[int]
    PROJECTED_LIDAR_LABELS_FIELD_NUMBER: _ClassVar[int]
    MAP_FEATURES_FIELD_NUMBER: _ClassVar[int]
    MAP_POSE_OFFSET_FIELD_NUMBER: _ClassVar[int]
    context: Context
    timestamp_micros: int
    pose: Transform
    images: _containers.RepeatedCompositeFieldContainer[CameraImage]
    laser_labels: _containers.RepeatedCompositeFieldContainer[Label]
    camera_labels: _containers.RepeatedCompositeFieldContainer[CameraLabels]
    projected_lidar_labels: _containers.RepeatedCompositeFieldContainer[CameraLabels]
    map_features: _containers.RepeatedCompositeFieldContainer[_map_pb2.MapFeature]
    map_pose_offset: Vector3d
    def __init__(self, context: _Optional[_Union[Context, _Mapping]] = ..., timestamp_micros: _Optional[int] = ..., pose: _Optional[_Union[Transform, _Mapping]] = ..., images: _Optional[_Iterable[_Union[CameraImage, _Mapping]]] = ..., laser_labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., camera_labels: _Optional[_Iterable[_Union[CameraLabels, _Mapping]]] = ..., projected_lidar_labels: _Optional[_Iterable[_Union[CameraLabels, _Mapping]]] = ..., map_features: _Optional[_Iterable[_Union[_map_pb2.MapFeature, _Mapping]]] = ..., map_pose_offset: _Optional[_Union[Vector3d, _Mapping]] = ...) -> None: ...
