//! Lists as the operator writes them.

/// Items that are parted by commas, over any number of words; each once.
pub fn items(words: &[String]) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for item in words.iter().flat_map(|word| word.split(',')).map(str::trim).filter(|item| !item.is_empty()) {
        if !items.iter().any(|known| known == item) {
            items.push(item.to_string());
        }
    }
    items
}
