import Core
import Index

extension ArchiveIndex {
  /// Goes through all packs in a state, a page after the other in the order of their numbers.
  ///
  /// Each page is a snapshot of its own: what changes meanwhile may be seen or not.
  ///
  /// - Throws: `index.damaged`, `index.busy`, `storage.failed`.
  func forEachPage(of state: PackState, _ body: ([PackRow]) -> Void) throws(PosternError) {
    var last: UInt64?
    while true {
      let page = try read { (snapshot) throws(PosternError) in try snapshot.packs(in: state, after: last) }
      guard let newest = page.last else { return }
      body(page)
      last = newest.number
    }
  }
}
