import Core
import Index
import Packs
import Records

/// Registrations: how many an address may make, and where the bodies that no push brings are stored.
///
/// It waits for the disk on a queue of its own.
actor Registrar {
  private let folder: DataFolder
  private let index: ArchiveIndex
  private let limit: Int
  private let queue = SerialQueue(label: "postern.registrar")
  /// The day that is counted, in days since 1970.
  private var day: UInt64 = 0
  private var counts: [String: Int] = [:]

  /// Addresses that are counted in a day; beyond, all others share one count.
  ///
  /// Each of them has registered an application, which is in the log.
  private static let addressLimit = 65_536
  private static let daySeconds: UInt64 = 86_400

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// A registrar that lets each address register so many applications in a day.
  init(folder: DataFolder, index: ArchiveIndex, limit: Int) {
    self.folder = folder
    self.index = index
    self.limit = limit
  }

  /// Counts a registration.
  ///
  /// - Parameters:
  ///   - address: whom it came from.
  ///   - nowSeconds: the time.
  /// - Throws: `charter.too-many`; nothing is counted then.
  func count(_ address: String, nowSeconds: UInt64) throws(PosternError) {
    try requireQuota(of: address, nowSeconds: nowSeconds)
    counts[name(of: address), default: 0] += 1
  }

  /// Says that an address may register one application more today.
  ///
  /// - Throws: `charter.too-many`.
  func requireQuota(of address: String, nowSeconds: UInt64) throws(PosternError) {
    let today = nowSeconds / Registrar.daySeconds
    if today != day { (day, counts) = (today, [:]) }
    guard counts[name(of: address), default: 0] < limit else {
      throw PosternError(
        .charterTooMany, "So many applications were registered from this address today that it may register no more.",
        advice: "Try again tomorrow, or ask the archive's operator.")
    }
  }

  private func name(of address: String) -> String {
    counts[address] != nil || counts.count < Registrar.addressLimit ? address : ""
  }

  /// Stores bodies that no push brings, durably, in a pack of their own.
  ///
  /// - Throws: `storage.*`; then nothing is left.
  func store(_ bodies: Bodies, app: Digest) throws(PosternError) -> PackSealing {
    try folder.requireReserve(.whole, besides: bodies.byteCount(of: bodies.digests))
    let pack = OpenPack(number: index.reservePack(), app: app, generation: 0, push: nil)
    do throws(PosternError) {
      var writer = try folder.createPack(number: pack.number, app: app, generation: 0)
      for digest in bodies.digests {
        try bodies[digest]?.withRawBytes { (bytes) throws(PosternError) in
          _ = try writer.append(id: digest, kind: .body, bytes: bytes)
        }
      }
      let done = try writer.finish()
      return PackSealing(pack: pack, name: done.name, byteCount: done.byteCount)
    } catch {
      remove(pack.number)
      throw error
    }
  }

  /// Removes a pack that the log did not take; one that cannot be removed now is removed at the next start.
  func remove(_ number: UInt64) {
    try? folder.removePack(number: number)
  }
}
