"""The typed HTTP client: the verbs of a control plane, its nouns, and its errors as they were raised there."""

from arc.client.client import Client
from arc.client.experiments import ExperimentReport
from arc.client.recipes import RecipeCard, RecipeLine
from arc.client.views import JobReport, Update

__all__ = ["Client", "ExperimentReport", "JobReport", "RecipeCard", "RecipeLine", "Update"]
