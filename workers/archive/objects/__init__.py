"""Objects in S3: instances that are stored there in place of the archive's directory."""
