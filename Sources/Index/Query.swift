import Core
import GRDB
import GRDBSQLite

/// A prepared statement of one connection, stepped without the rows that GRDB would build.
///
/// GRDB keeps the statement for the next time; this value resets it when it goes away, so that no read
/// transaction outlives its query.
struct Query: ~Copyable {
  /// Keeps `statement` alive, should GRDB drop it from its cache.
  private let owner: Statement
  private let statement: SQLiteStatement
  private let connection: SQLiteConnection

  /// Prepares a statement, or takes the one prepared before.
  init(_ database: Database, _ sql: String) throws(PosternError) {
    let owner: Statement
    do {
      owner = try database.cachedStatement(sql: sql)
    } catch {
      throw indexError(error)
    }
    guard let connection = database.sqliteConnection else { throw .damagedIndex("its connection is closed") }
    self.init(owner: owner, connection: connection)
  }

  private init(owner: Statement, connection: SQLiteConnection) {
    self.owner = owner
    self.connection = connection
    statement = owner.sqliteStatement
    sqlite3_reset(statement)
  }

  deinit {
    sqlite3_reset(statement)
    sqlite3_clear_bindings(statement)
  }

  /// Starts over with these values for `?1`, `?2` and so on.
  borrowing func bind<each Value: Bindable>(_ value: repeat each Value) {
    sqlite3_reset(statement)
    var position: CInt = 1
    for value in repeat each value {
      let code = value.bind(to: statement, at: position)
      precondition(code == SQLITE_OK, "a value of a statement could not be bound")
      position += 1
    }
  }

  /// Goes to the next row; false after the last.
  borrowing func step() throws(PosternError) -> Bool {
    switch sqlite3_step(statement) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default: throw failure
    }
  }

  /// Runs a statement that answers no row, and says how many rows it changed.
  @discardableResult
  borrowing func run<each Value: Bindable>(_ value: repeat each Value) throws(PosternError) -> Int {
    bind(repeat each value)
    while try step() {}
    return Int(sqlite3_changes(connection))
  }

  /// The first row for these values; nil where there is none.
  borrowing func first<each Value: Bindable, Row>(
    _ value: repeat each Value, row: (borrowing Query) throws(PosternError) -> Row
  ) throws(PosternError) -> Row? {
    bind(repeat each value)
    return try step() ? row(self) : nil
  }

  /// All rows for these values.
  borrowing func all<each Value: Bindable, Row>(
    _ value: repeat each Value, row: (borrowing Query) throws(PosternError) -> Row
  ) throws(PosternError) -> [Row] {
    bind(repeat each value)
    var rows: [Row] = []
    while try step() { rows.append(try row(self)) }
    return rows
  }

  private var failure: PosternError {
    indexError(
      sqlite3_extended_errcode(connection), String(cString: sqlite3_errmsg(connection)),
      systemError: sqlite3_system_errno(connection))
  }
}

// Columns of the row that the query stands on.
extension Query {
  /// A number: the same 64 bits that the index holds.
  borrowing func number(_ column: CInt) -> UInt64 {
    UInt64(bitPattern: sqlite3_column_int64(statement, column))
  }

  /// A number that has to be small enough for its type.
  borrowing func number<Value: FixedWidthInteger>(_ column: CInt, as type: Value.Type) throws(PosternError) -> Value {
    guard let value = Value(exactly: sqlite3_column_int64(statement, column)) else {
      throw .damagedIndex("a number is out of its range")
    }
    return value
  }

  /// A number that has to be within some bounds.
  ///
  /// - Throws: `index.damaged`: SQLite has no checksums, so that any number can stand in a row.
  borrowing func number(_ column: CInt, in range: ClosedRange<UInt64>) throws(PosternError) -> UInt64 {
    let value = number(column)
    guard range.contains(value) else { throw .damagedIndex("a number is out of its range") }
    return value
  }

  /// A number that grows by one at a time from 1, such as an epoch's: no next one overflows.
  borrowing func ordinal(_ column: CInt) throws(PosternError) -> UInt64 {
    try number(column, in: 1...UInt64(Int64.max - 1))
  }

  /// Whether the column is NULL.
  borrowing func isNull(_ column: CInt) -> Bool {
    sqlite3_column_type(statement, column) == SQLITE_NULL
  }

  /// A blob.
  borrowing func bytes(_ column: CInt) -> [UInt8] {
    Array(blob(column))
  }

  /// A text; empty where the column is NULL.
  borrowing func text(_ column: CInt) -> String {
    sqlite3_column_text(statement, column).map { String(cString: $0) } ?? ""
  }

  /// A blob of 32 bytes.
  borrowing func digest(_ column: CInt) throws(PosternError) -> Digest {
    guard let digest = Digest(blob(column)) else { throw .damagedIndex("a digest has not 32 bytes") }
    return digest
  }

  /// A blob of 32 bytes, or nothing.
  borrowing func optionalDigest(_ column: CInt) throws(PosternError) -> Digest? {
    isNull(column) ? nil : try digest(column)
  }

  private borrowing func blob(_ column: CInt) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(
      start: sqlite3_column_blob(statement, column), count: Int(sqlite3_column_bytes(statement, column)))
  }
}

/// A value that a statement's parameter can have.
protocol Bindable {
  /// Binds the value, copied, and answers SQLite's result code.
  func bind(to statement: SQLiteStatement, at position: CInt) -> CInt
}

extension UInt64: Bindable {
  func bind(to statement: SQLiteStatement, at position: CInt) -> CInt {
    sqlite3_bind_int64(statement, position, Int64(bitPattern: self))
  }
}

extension Int64: Bindable {
  func bind(to statement: SQLiteStatement, at position: CInt) -> CInt {
    sqlite3_bind_int64(statement, position, self)
  }
}

extension Digest: Bindable {
  func bind(to statement: SQLiteStatement, at position: CInt) -> CInt {
    withUnsafeBytes { bindBlob($0, statement, position) }
  }
}

extension [UInt8]: Bindable {
  func bind(to statement: SQLiteStatement, at position: CInt) -> CInt {
    withUnsafeBytes { bytes in
      bytes.isEmpty ? sqlite3_bind_zeroblob(statement, position, 0) : bindBlob(bytes, statement, position)
    }
  }
}

extension String: Bindable {
  func bind(to statement: SQLiteStatement, at position: CInt) -> CInt {
    sqlite3_bind_text(statement, position, self, -1, copied)
  }
}

extension Optional: Bindable where Wrapped: Bindable {
  func bind(to statement: SQLiteStatement, at position: CInt) -> CInt {
    self?.bind(to: statement, at: position) ?? sqlite3_bind_null(statement, position)
  }
}

private func bindBlob(_ bytes: UnsafeRawBufferPointer, _ statement: SQLiteStatement, _ position: CInt) -> CInt {
  sqlite3_bind_blob(statement, position, bytes.baseAddress, CInt(bytes.count), copied)
}

/// SQLITE_TRANSIENT, a cast in C that Swift does not import: SQLite copies what it is given.
private let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
