mod law;
mod stage;
