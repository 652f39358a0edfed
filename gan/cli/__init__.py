"""The command `gan`: one module per subcommand, listed in `gan.cli.main`."""
