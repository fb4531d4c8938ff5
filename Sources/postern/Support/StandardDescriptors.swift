import Glibc

/// The three descriptors that every process expects to have.
enum StandardDescriptors {
  /// Puts something in the place of each standard descriptor that the process was started without.
  ///
  /// Otherwise the next file that is opened, a key or a state, would be what results are printed into. What takes the
  /// place of input and output fails when it is used: an empty state shall not be published, nor a secret vanish,
  /// because somebody closed a descriptor. Remarks vanish.
  ///
  /// - Returns: whether all three are open.
  static func occupy() -> Bool {
    for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_WRONLY)]
    where fcntl(descriptor, F_GETFD) == -1 {
      // The lowest number that is free is this one: those below are open by now.
      guard open("/dev/null", mode) == descriptor else { return false }
    }
    return true
  }
}
