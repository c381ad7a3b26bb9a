"""Fundus over HTTP: train, evaluate and explain, as the routes of these names do.

The fields of each call are those of its route, by the same names; what is wrong is an error that names the field.
Each answers with the job at once; `JobCalls.watch` follows it.
"""

from typing import Any

from arc.client.jobs import JobCalls
from arc.core.job import Job


class FundusCalls:
    """Start the work of the fundus tenant; `dataset` is NAME or NAME@VERSION, `dataset_path` a folder in its place."""

    def __init__(self, jobs: JobCalls) -> None:
        self._jobs = jobs

    def train_classifier(self, **fields: Any) -> Job:
        """Start the training of a classifier."""
        return self._jobs.start("/train/classifier", **fields)

    def train_segmentation(self, **fields: Any) -> Job:
        """Start the training of a segmenter of disc and cup."""
        return self._jobs.start("/train/segmentation", **fields)

    def evaluate(self, **fields: Any) -> Job:
        """Start an evaluation; one of `job_id`, `model_digest` and `checkpoint_path` names the model."""
        return self._jobs.start("/eval/run", **fields)

    def gradcam(self, **fields: Any) -> Job:
        """Start maps by Grad-CAM; the model is named as for `evaluate`."""
        return self._jobs.start("/visualizations/gradcam", **fields)

    def gradcam_pp(self, **fields: Any) -> Job:
        """Start maps by Grad-CAM++."""
        return self._jobs.start("/visualizations/gradcam_pp", **fields)

    def dri(self, **fields: Any) -> Job:
        """Start the measurement of the Disc Relevance Index."""
        return self._jobs.start("/visualizations/dri", **fields)
