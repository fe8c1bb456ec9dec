//! As much of JSON (RFC 8259) as headers of safetensors files are made of: objects, arrays, strings, whole numbers.

/// Reads through a text. Errors name the byte at which it cannot go on.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    /// `{"key": .., ..}`; `value` reads what follows each key.
    pub(super) fn object(
        &mut self,
        mut value: impl FnMut(&mut Scanner<'a>, String) -> Result<(), String>,
    ) -> Result<(), String> {
        self.list('{', '}', |scanner| {
            let key = scanner.string()?;
            scanner.expect(':')?;
            value(scanner, key)
        })
    }

    /// `[.., ..]`; `element` reads each.
    pub(super) fn array(
        &mut self,
        element: impl FnMut(&mut Scanner<'a>) -> Result<(), String>,
    ) -> Result<(), String> {
        self.list('[', ']', element)
    }

    fn list(
        &mut self,
        open: char,
        close: char,
        mut element: impl FnMut(&mut Scanner<'a>) -> Result<(), String>,
    ) -> Result<(), String> {
        self.expect(open)?;
        if self.take(close) {
            return Ok(());
        }
        loop {
            element(self)?;
            if self.take(close) {
                return Ok(());
            }
            self.expect(',')?;
        }
    }

    /// A whole number that is not negative.
    pub(super) fn natural(&mut self) -> Result<u64, String> {
        self.skip_space();
        let rest = &self.text[self.at..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..digits].parse().ok();
        let leading_zero = digits > 1 && rest.starts_with('0');
        let number = number.filter(|_| !leading_zero).ok_or_else(|| self.unexpected("a whole number"))?;
        self.at += digits;
        Ok(number)
    }

    pub(super) fn string(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            string.push_str(&rest[..plain]);
            self.at += plain;
            match rest.as_bytes().get(plain) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => {
                    self.at += 1;
                    string.push(self.escaped()?);
                }
                _ => return Err(self.unexpected("the end of a string")),
            }
        }
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Result<char, String> {
        let escape = self.text[self.at..].bytes().next();
        let plain = match escape {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.escaped_unicode();
            }
            _ => return Err(self.unexpected("an escape of JSON")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// Four hexadecimal digits, or twice as many for what UTF-16 has no single unit for.
    fn escaped_unicode(&mut self) -> Result<char, String> {
        let high = self.utf16_unit()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high).ok_or_else(|| self.unexpected("a character"));
        }
        if !self.text[self.at..].starts_with("\\u") {
            return Err(self.unexpected("the second half of a character"));
        }
        self.at += 2;
        let low = self.utf16_unit()?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(self.unexpected("the second half of a character"));
        }
        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        char::from_u32(code).ok_or_else(|| self.unexpected("a character"))
    }

    fn utf16_unit(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.unexpected("four hexadecimal digits"))?;
        self.at += 4;
        Ok(unit)
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.unexpected("the end of the header")) }
    }

    fn skip_space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    /// Goes past this character, if it is the next one that is not white space.
    fn take(&mut self, c: char) -> bool {
        self.skip_space();
        let there = self.text[self.at..].starts_with(c);
        self.at += usize::from(there) * c.len_utf8();
        there
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        if self.take(c) { Ok(()) } else { Err(self.unexpected(&format!("`{c}`"))) }
    }

    fn unexpected(&self, wanted: &str) -> String {
        let at = self.at;
        match self.text.get(at..).and_then(|rest| rest.chars().next()) {
            Some(found) => format!("byte {at} of the header is {found:?}, where {wanted} is expected"),
            None => format!("the header ends where {wanted} is expected"),
        }
    }
}

/// Appends a string as JSON.
pub(super) fn write_string(string: &str, to: &mut String) {
    to.push('"');
    for c in string.chars() {
        match c {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            c if c < ' ' => to.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => to.push(c),
        }
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Result<String, String> {
        let mut scanner = Scanner::new(text);
        let string = scanner.string()?;
        scanner.end().map(|()| string)
    }

    #[test]
    fn a_string_that_is_written_is_read_again() {
        for original in ["", "layers.0.weight", "a\"b\\c/d", "\u{0}\n\u{1f}\u{7f}", "ключ 鍵 😀"] {
            let mut written = String::new();
            write_string(original, &mut written);
            assert_eq!(string(&written).as_deref(), Ok(original));
        }
    }

    #[test]
    fn escapes_are_those_of_json() {
        assert_eq!(string(r#""\"\\\/\b\f\n\r\tA\u00e9""#).as_deref(), Ok("\"\\/\u{8}\u{c}\n\r\tAé"));
        assert_eq!(string(r#""\ud83d\uDE00""#).as_deref(), Ok("😀"));
        for wrong in
            [r#""\x""#, r#""\u12""#, r#""\u+123""#, r#""\ud83d""#, r#""\ud83dA""#, r#""\ude00""#, r#""a"#]
        {
            assert!(string(wrong).is_err(), "{wrong}");
        }
        assert!(string("\"a\nb\"").is_err(), "control characters are written as escapes");
    }

    #[test]
    fn numbers_are_whole_and_fit() {
        let number = |text| Scanner::new(text).natural();
        assert_eq!(number(" 0"), Ok(0));
        assert_eq!(number("18446744073709551615"), Ok(u64::MAX));
        for wrong in ["18446744073709551616", "-1", "01", "", "x", "+1"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_error_names_the_byte() {
        let error = Scanner::new("  x").natural().expect_err("no number");
        assert_eq!(error, "byte 2 of the header is 'x', where a whole number is expected");
        let error = Scanner::new("[1,").array(|s| s.natural().map(|_| ())).expect_err("cut off");
        assert_eq!(error, "the header ends where a whole number is expected");
    }
}
