//! HTTP as values: what a request says, what goes upstream, what comes back.
//!
//! Nothing here fetches, and nothing here names the platform, so every rule of the request path is
//! tested natively. The way of a request: [`address`] → [`routing`] → [`identity`] →
//! [`decision`] → [`forward`] → [`assets`] → [`respond`]; [`way`] leads it from one to the next.

pub mod address;
pub mod message;
pub mod cookie;
pub mod facts;
pub mod routing;
pub mod jwt;
pub mod cookieless;
pub mod identity;
pub mod robots;
pub mod config;
pub mod decision;
pub mod headers;
pub mod validators;
pub mod forward;
pub mod assets;
pub mod translate;
pub mod respond;
pub mod meter;
pub mod measuring;
pub mod step;
pub mod terms;
pub mod way;
pub mod signing;
pub mod preview;
pub mod exposure;
pub mod limiter;
pub mod beacon;
pub mod flush;
pub mod reach;
pub mod pace;
pub mod www;
pub mod console;
pub mod api;
