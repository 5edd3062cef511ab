"""`python -m gateway` is `dicom-gateway`."""

import sys

from gateway.cli import main

sys.exit(main())
