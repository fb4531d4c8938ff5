/// One kind of thing that a state is read from, front to back.
///
/// It is used by one caller at a time, and its calls block.
package protocol StateReader: Sendable {
  /// The state's length in bytes, where it is known beforehand.
  var byteCount: Int? { get }

  /// Takes the state's next bytes.
  ///
  /// - Returns: how many they are; 0 at the state's end alone.
  /// - Throws: `push.input`, `push.changed`; a cancellation.
  func read(into memory: UnsafeMutableRawBufferPointer) throws -> Int

  /// Goes back to the first byte.
  ///
  /// - Returns: whether that is possible.
  func rewind() throws -> Bool

  /// Says that what was read is a state that there was: nobody changed it meanwhile.
  ///
  /// - Throws: `push.changed`, `push.input`.
  func requireUnchanged() throws

  /// Ends a call that waits for bytes.
  func cancel()
}
