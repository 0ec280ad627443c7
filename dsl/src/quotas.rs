//! Service quotas, from dated data files.
