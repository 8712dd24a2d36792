"""Pull requests by the APIs of GitHub, GitLab and Gitea."""
