mod ends;
mod gate;
mod law;
mod library;
mod listening;
mod rounds;
mod stage;
