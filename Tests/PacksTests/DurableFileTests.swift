import Core
import Glibc
import Packs
import Testing

@Suite struct DurableFileTests {
  @Test func aFileIsOldOrNewWhicheverCallFails() throws {
    let healthy = FaultyFiles(failing: 0)
    let folder = TemporaryFolder()
    try DurableFile.write([0, 0], to: "\(folder.path)/file", replacing: true, files: healthy)
    #expect(healthy.calls.count == 7)
    for (number, expected) in [(EIO, PosternError.Code.storageFailed), (ENOSPC, .storageFull)] {
      for position in 1...healthy.calls.count {
        let path = "\(folder.path)/\(number)-\(position)"
        try DurableFile.write([1], to: path)
        let files = FaultyFiles(failing: position, number: number)
        let refusal = code { () throws(PosternError) in
          try DurableFile.write([2, 2], to: path, replacing: true, files: files)
        }
        let failed = try #require(files.calls.dropFirst(position - 1).first)
        let isSync = failed == .sync || failed == .syncData
        #expect(refusal == (isSync && number == EIO ? .storageSyncFailed : expected), "call \(position)")
        let now = try DurableFile.read(path, byteLimit: 10)
        // The last two calls open and sync the folder, when the rename is done.
        #expect(now == (position > healthy.calls.count - 2 ? [2, 2] : [1]), "call \(position)")
      }
    }
    #expect(try SystemFiles().names(folder.path).allSatisfy { !$0.hasSuffix(".tmp") })
  }

  /// A secret's temporary file is overwritten before it goes, whichever call fails.
  @Test func aSecretThatCouldNotBeWrittenIsWiped() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/key"
    for call in [FileCall.write, .syncData, .rename] {
      let files = FaultyFiles(failing: 1, only: call)
      let refusal = code { () throws(PosternError) in
        try DurableFile.write([1, 2], to: path, permissions: 0o600, files: files)
      }
      #expect(refusal != nil)
      #expect(try SystemFiles().names(folder.path).isEmpty, "\(call)")
      // Opened again, and synced again after the zeros.
      #expect(files.calls.count { $0 == .open } == 2, "\(call)")
      #expect(files.calls.suffix(2) == [.syncData, .remove], "\(call)")
    }
  }

  @Test func aNameThatIsTakenIsKept() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/file"
    try DurableFile.write([1], to: path, permissions: 0o600)
    expect(.storageExists) { () throws(PosternError) in try DurableFile.write([2], to: path) }
    #expect(try DurableFile.read(path, byteLimit: 1) == [1])
    try DurableFile.write([2, 3], to: path, permissions: 0o600, replacing: true)
    #expect(try DurableFile.read(path, byteLimit: 2) == [2, 3])
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(try SystemFiles().names(folder.path) == ["file"])
  }

  @Test func aFileBeyondTheLimitIsNotRead() throws {
    let folder = TemporaryFolder()
    try DurableFile.write([1, 2, 3], to: "\(folder.path)/file")
    expect(.storageTooLong) { () throws(PosternError) in
      try DurableFile.read("\(folder.path)/file", byteLimit: 2)
    }
    expect(.storageMissing) { () throws(PosternError) in
      try DurableFile.read("\(folder.path)/none", byteLimit: 2)
    }
    expect(.storageMissing) { () throws(PosternError) in try DurableFile.write([1], to: "\(folder.path)/no/file") }
    expect(.storageDenied) { () throws(PosternError) in
      let files = FaultyFiles(failing: 1, number: EACCES)
      return try DurableFile.read("\(folder.path)/file", byteLimit: 3, files: files)
    }
    // The root is its own parent.
    let refusal = code { () throws(PosternError) in try DurableFile.makeFolder("/") }
    #expect(refusal == nil)
  }

  @Test(arguments: [
    ("file", ".", "file"), ("a/file", "a", "file"), ("/file", "/", "file"), ("//a//b//", "//a/", "b"),
    ("//a", "/", "a"), ("a/", ".", "a"), ("/", "/", ""), ("//", "/", ""), ("", ".", ""), ("./file", ".", "file"),
    ("a/\u{301}b", "a", "\u{301}b"), ("ä/ö", "ä", "ö"),
  ])
  func aPathIsAFolderAndAName(path: String, folder: String, name: String) {
    let parts = DurableFile.split(path)
    #expect(Array(parts.folder.utf8) == Array(folder.utf8) && Array(parts.name.utf8) == Array(name.utf8))
  }

  @Test func aLockKeepsEveryOtherOpenFileOut() throws {
    let folder = TemporaryFolder()
    let first = try OpenFile("\(folder.path)/lock", .lock)
    var answers = [try first.lock(), try first.lock()]
    do {
      let second = try OpenFile("\(folder.path)/lock", .lock)
      answers.append(try second.lock())
    }
    answers.append(try first.lock())
    #expect(answers == [true, true, false, true])
  }
}
