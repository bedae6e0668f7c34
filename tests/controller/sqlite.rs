//! SQLite itself in the place of the Durable Object's: the same SQL, and what a Durable Object does not let a test do,
//! refuse a commit or die behind it.

use rusqlite::types::{Value as Native, ValueRef};
use rusqlite::{Connection, params_from_iter};
use tidegate::controller::{Row, Statement, Storage, StorageError, Value};

/// What befalls one of the next commits, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and nothing of it is stored.
    Refuse(u32),
    /// It is stored, and nobody learns of that.
    Swallow(u32),
}

pub struct Sqlite {
    connection: Connection,
    pub fault: Option<Fault>,
    /// How many faults there have been.
    pub faults: u32,
}

impl Sqlite {
    pub fn new() -> Self {
        Self { connection: Connection::open_in_memory().unwrap(), fault: None, faults: 0 }
    }

    /// Runs a script, as an older or a newer release has.
    pub fn run(&self, script: &str) {
        self.connection.execute_batch(script).unwrap();
    }

    /// The texts of a statement's first column.
    pub fn texts(&self, sql: &str, parameters: &[&str]) -> Vec<String> {
        let mut statement = self.connection.prepare_cached(sql).unwrap();
        let rows = statement.query_map(params_from_iter(parameters), |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// The whole number in a statement's first column; 0 where there is no row.
    pub fn number(&self, sql: &str, parameters: &[&str]) -> u64 {
        let mut statement = self.connection.prepare_cached(sql).unwrap();
        let mut rows = statement.query(params_from_iter(parameters)).unwrap();
        rows.next().unwrap().map_or(0, |row| row.get::<_, Option<i64>>(0).unwrap().unwrap_or(0) as u64)
    }

    fn all(&mut self, statements: &[Statement]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for Statement { sql, parameters } in statements {
            transaction.prepare_cached(sql)?.execute(params_from_iter(parameters.iter().map(bound)))?;
        }
        transaction.commit()
    }
}

/// workerd binds every number of JavaScript as a double.
fn bound(value: &Value) -> Native {
    match value {
        Value::Null => Native::Null,
        Value::Integer(number) => Native::Real(*number as f64),
        Value::Real(number) => Native::Real(*number),
        Value::Text(text) => Native::Text(text.clone()),
    }
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
        ValueRef::Blob(_) => panic!("no column holds bytes"),
    }
}

fn refused(error: rusqlite::Error) -> StorageError {
    StorageError(error.to_string())
}

impl Storage for Sqlite {
    fn rows(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StorageError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(refused)?;
        let columns = statement.column_count();
        let rows = statement
            .query_map(params_from_iter(parameters.iter().map(bound)), |row| {
                (0..columns).map(|column| row.get_ref(column).map(read)).collect::<rusqlite::Result<_>>().map(Row)
            })
            .map_err(refused)?;
        rows.map(|row| row.map_err(refused)).collect()
    }

    fn commit(&mut self, statements: &[Statement]) -> Result<(), StorageError> {
        match &mut self.fault {
            Some(Fault::Refuse(1)) => {
                (self.fault, self.faults) = (None, self.faults + 1);
                return Err(StorageError("out of order".into()));
            }
            Some(Fault::Swallow(1)) => {
                (self.fault, self.faults) = (None, self.faults + 1);
                self.all(statements).map_err(refused)?;
                return Err(StorageError("lost behind the commit".into()));
            }
            Some(Fault::Refuse(left) | Fault::Swallow(left)) => *left -= 1,
            None => {}
        }
        self.all(statements).map_err(refused)
    }
}
