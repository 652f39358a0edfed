"""What a server of images does, without HTTP: queues, models, keys, quotas, filters, marks, an audit log."""
