//! The module as JavaScript has it.

use wasm_bindgen::prelude::wasm_bindgen;

/// See [`super::check`].
#[wasm_bindgen]
pub fn check(plans: &str, scenario: &str, settings: &str) -> String {
    super::check(plans, scenario, settings)
}

/// See [`super::summary`].
///
/// # Errors
/// When they are no fates.
#[wasm_bindgen]
pub fn summary(fates: &str) -> Result<String, String> {
    super::summary(fates)
}

/// See [`super::Rehearsal`].
#[wasm_bindgen]
pub struct Rehearsal(super::Rehearsal);

#[wasm_bindgen]
impl Rehearsal {
    /// Begins one; throws what `check` says where there is something wrong.
    ///
    /// # Errors
    /// With that.
    #[wasm_bindgen(constructor)]
    pub fn new(plans: &str, scenario: &str, settings: &str) -> Result<Self, String> {
        super::Rehearsal::new(plans, scenario, settings).map(Self)
    }

    /// Goes on by so many steps at the most.
    pub fn step(&mut self, steps: u32) -> String {
        self.0.step(steps)
    }

    /// The points since they were last asked for.
    pub fn points(&mut self) -> String {
        self.0.points()
    }

    /// The events since they were last asked for.
    pub fn events(&mut self) -> String {
        self.0.events()
    }

    /// What has become of it so far.
    pub fn report(&self) -> String {
        self.0.report()
    }
}
