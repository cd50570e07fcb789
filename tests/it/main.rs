mod generated;
mod store;
