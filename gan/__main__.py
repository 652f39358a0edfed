"""`python -m gan`: the same as the command `gan`."""

from gan.cli.main import main

if __name__ == "__main__":
    main()
