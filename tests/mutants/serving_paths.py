"""Where the rooms of serving and their tests lie; a test file's name ends behind these."""

JOBS = "tests/gan/jobs/serving/test_"
WEB = "tests/gan/web/test_serve_"
ROOM = "gan/jobs/serving/"
API = "gan/web/serve/"
