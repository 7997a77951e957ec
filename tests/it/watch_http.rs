//! The endpoints of the controller: served by the library on loopback, over the real desk and a real database.

mod demo;
mod pages;
mod probes;
mod safety;
mod site;
