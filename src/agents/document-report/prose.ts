/** How much text there is, and how hard it is to read. */
import { syllable } from 'syllable';

/** Measures of prose. */
export interface ProseMeasures {
  readonly words: number;
  readonly sentences: number;
  /** Flesch reading ease (about 0 to 100, higher is easier), for English; null without words in Latin letters. */
  readonly readingEase: number | null;
  readonly readingMinutes: number;
}

const WORDS_PER_MINUTE = 238;
const words = new Intl.Segmenter('en', { granularity: 'word' });
const sentences = new Intl.Segmenter('en', { granularity: 'sentence' });

/** Measures texts, each of which ends a sentence. */
export function measureProse(texts: readonly string[]): ProseMeasures {
  let wordCount = 0;
  let latinWords = 0;
  let syllables = 0;
  let sentenceCount = 0;
  for (const text of texts) {
    for (const { segment } of sentences.segment(text)) {
      let wordsHere = 0;
      for (const { segment: word, isWordLike } of words.segment(segment)) {
        if (isWordLike !== true) continue;
        wordsHere += 1;
        if (!/\p{Script=Latin}/u.test(word)) continue;
        latinWords += 1;
        // A word without a vowel is still spoken.
        syllables += Math.max(1, syllable(word));
      }
      wordCount += wordsHere;
      if (wordsHere > 0) sentenceCount += 1;
    }
  }
  return {
    words: wordCount,
    sentences: sentenceCount,
    readingEase:
      latinWords === 0 ? null : round(206.835 - 1.015 * (wordCount / sentenceCount) - 84.6 * (syllables / latinWords)),
    readingMinutes: round(wordCount / WORDS_PER_MINUTE),
  };
}

const round = (value: number): number => Math.round(value * 10) / 10;
