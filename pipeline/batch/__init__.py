"""Many pipelines, side by side: each a command of its own, so that none can harm another."""

from pipeline.batch.batch import Batch as Batch
from pipeline.batch.batch import Observer as Observer
from pipeline.batch.batch import Result as Result
from pipeline.batch.child import Ended as Ended
from pipeline.batch.child import Task as Task
