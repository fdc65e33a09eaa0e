"""Launch: rendering a Plan as commands and files."""
