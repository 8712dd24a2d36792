"""Developer tools behind the verbs of Taskfile.yml. Nothing here ships to users of the product."""
