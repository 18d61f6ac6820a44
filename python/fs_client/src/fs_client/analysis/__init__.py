"""Static analysis: from a class to the modules, distributions and data files that it needs. No user code runs."""

from fs_client.analysis.conditions import Runtime
from fs_client.analysis.entry import Entry, entry_of_class, entry_of_file
from fs_client.analysis.project import NativeNeed, Project, analyze

__all__ = ["Entry", "NativeNeed", "Project", "Runtime", "analyze", "entry_of_class", "entry_of_file"]
