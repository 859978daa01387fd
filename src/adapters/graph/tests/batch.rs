//! Many reads in few requests.
