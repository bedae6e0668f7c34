//! The controller's database: the SQLite of its Durable Object.

use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::*;
use worker::{SqlCursor, SqlStorageValue};

use super::glue;
use tidegate_controller::{Row, Statement, Storage, StorageError, Value};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = js_sys::Object)]
    type TransactionalStorage;

    /// Runs `act` in a transaction, which is rolled back where it throws. The crate `worker` has no binding for it.
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &TransactionalStorage,
        act: &mut dyn FnMut() -> Result<(), JsValue>,
    ) -> Result<(), JsValue>;
}

/// The storage of a Durable Object.
pub struct ObjectStorage(worker::Storage);

impl ObjectStorage {
    /// The storage of this object.
    pub fn of(object: &worker::State) -> Self {
        Self(object.storage())
    }

    fn run(&self, sql: &str, parameters: &[Value]) -> Result<SqlCursor, worker::Error> {
        let bindings: Vec<SqlStorageValue> = parameters.iter().map(to_js).collect();
        self.0.sql().exec(sql, bindings)
    }
}

impl Storage for ObjectStorage {
    fn rows(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StorageError> {
        let refused = |error: worker::Error| StorageError(error.to_string());
        let cursor = self.run(sql, parameters).map_err(refused)?;
        cursor
            .raw()
            .map(|row| row.map(|columns| Row(columns.into_iter().map(from_js).collect())).map_err(refused))
            .collect()
    }

    fn commit(&mut self, statements: &[Statement]) -> Result<(), StorageError> {
        let storage: &TransactionalStorage = self.0.as_raw().unchecked_ref();
        let mut run_all = || {
            for Statement { sql, parameters } in statements {
                self.run(sql, parameters).map_err(JsValue::from)?;
            }
            Ok(())
        };
        storage.transaction_sync(&mut run_all).map_err(|error| StorageError(glue::message(&error)))
    }
}

/// JavaScript's numbers are exact up to here; whatever is greater only bounds a search.
const SAFE: i64 = (1 << 53) - 1;

fn to_js(value: &Value) -> SqlStorageValue {
    match value {
        Value::Null => SqlStorageValue::Null,
        Value::Integer(number) => SqlStorageValue::Integer((*number).clamp(-SAFE, SAFE)),
        Value::Real(number) => SqlStorageValue::Float(*number),
        Value::Text(text) => SqlStorageValue::String(text.clone()),
    }
}

fn from_js(value: SqlStorageValue) -> Value {
    match value {
        SqlStorageValue::Integer(number) => Value::Integer(number),
        SqlStorageValue::Float(number) => Value::Real(number),
        SqlStorageValue::String(text) => Value::Text(text),
        SqlStorageValue::Boolean(truth) => Value::Integer(i64::from(truth)),
        // No column of the controller's holds bytes.
        SqlStorageValue::Null | SqlStorageValue::Blob(_) => Value::Null,
    }
}
