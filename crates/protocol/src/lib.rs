//! HTTP as values: what a request says, what goes upstream, what comes back.
//!
//! Nothing here fetches, and nothing here names the platform, so every rule of the request path is
//! tested natively. The way of a request: [`address`] → [`routing`] → [`identity`] →
//! [`decision`] → [`forward`] → [`assets`] → [`respond`]; [`exchange`] leads it from one to the next.

pub mod address;
pub mod answer;
pub mod api;
pub mod assets;
pub mod beacon;
pub mod browsers;
pub mod choice;
pub mod config;
pub mod console;
pub mod cookie;
pub mod cookieless;
pub mod decision;
pub mod diversion;
pub mod errand;
pub mod exchange;
pub mod exposure;
pub mod facts;
pub mod feed;
pub mod flags;
pub mod flush;
pub mod forward;
pub mod headers;
pub mod identity;
pub mod jwt;
pub mod kept;
pub mod limiter;
pub mod log;
pub mod measuring;
pub mod message;
pub mod meter;
pub mod needed;
pub mod notify;
pub mod own_paths;
pub mod pace;
pub mod page;
pub mod preview;
pub mod reach;
pub mod receive;
pub mod relays;
pub mod respond;
pub mod robots;
pub mod routing;
pub mod shadow;
pub mod shape;
pub mod signing;
pub mod step;
pub mod terms;
pub mod translate;
pub mod used;
pub mod validators;
pub mod visit;
pub mod www;
